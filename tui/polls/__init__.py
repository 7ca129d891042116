"""Requests that are repeated, for what no event tells."""
