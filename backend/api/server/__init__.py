"""How requests come in: Hypercorn, the ASGI ingress, the Quart application, the route table."""
