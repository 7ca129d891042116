"""The HTTP server: the process, its listening sockets, and Hypercorn's connections."""
