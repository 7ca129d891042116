"""Raydium's pool programs, one package each."""
