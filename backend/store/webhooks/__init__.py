"""Webhooks in PostgreSQL: what owners have set, and what is to be delivered."""
