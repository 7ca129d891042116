"""The API: accepts orders and serves their events, over HTTP and WebSocket."""
