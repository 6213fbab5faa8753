"""The page and the HTTP API of `imgtk serve`. The server's own process computes nothing: each device has worker
processes, and one more process looks at uploads and plans. Only these import torch."""
