"""Clips from files and to files: frames as pictures, and everything else a file carries copied."""
