"""The terminal dashboard: an ordinary client of the HTTP and WebSocket API."""
