"""Subscriptions to one node over a WebSocket: what it tells before anybody asks."""
