"""Fills, positions and reports as JSON and CSV."""
