"""Idempotency: which earlier request a key or a client order id belongs to."""
