"""The HTTP server: Hypercorn, the ASGI ingress, the Quart application, the route table."""
