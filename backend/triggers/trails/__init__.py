"""Trailing stops, grouped so that many are judged together."""
