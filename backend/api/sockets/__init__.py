"""WebSocket views: one order's events, and the stream of many orders."""
