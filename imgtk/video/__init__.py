"""Reading and writing clips: frames as images, and everything else copied."""
