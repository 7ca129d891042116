"""Meteora's pool programs, one folder each."""
