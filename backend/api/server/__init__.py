"""The HTTP server: Hypercorn and its connections, the Quart application, the route table."""
