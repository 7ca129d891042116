"""WebSocket views: the events of one order, and the stream of many orders."""
