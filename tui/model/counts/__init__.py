"""Counts and rates over all orders, and over the orders of each batch."""
