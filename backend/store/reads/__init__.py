"""Reads for clients: one order, and lists of orders."""
