"""The API: orders in, their lives out, over HTTP and WebSocket. An ordinary process of many."""
