"""Benchmarks by the protocols of the field, with figures that compare to published ones.

`data` finds the images, `protocol` defines what is done with them, `upscale` runs, `report` holds the result, and
`page` and `tables` show it.
"""
