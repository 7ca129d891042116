"""Raydium's pool programs, one folder each."""
