"""Limits of owners on their orders: what they are, and what exceeds them."""
