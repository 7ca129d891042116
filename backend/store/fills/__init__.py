"""Fills of an owner, read from its confirmed orders and their events, and what positions cost."""
