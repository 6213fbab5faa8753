"""`python -m imgtk` is `imgtk`."""

from imgtk.cli import main

main()
