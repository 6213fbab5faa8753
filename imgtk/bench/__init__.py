"""Benchmarks by the field's protocols, with figures that compare to the published ones.

`data` finds the images, `protocol` says what is done with them, `upscale` runs, `report` is what came out, `page` and
`tables` show it.
"""
