"""Limits of owners: what they are, and the statements that keep orders within them."""
