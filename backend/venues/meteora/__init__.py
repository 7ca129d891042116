"""Meteora's pool programs, one package each."""
