"""Clips from files and to files: frames as images, and everything else a file carries copied."""
