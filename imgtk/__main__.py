"""Run the command line: `python -m imgtk`."""

from imgtk.cli import main

main()
