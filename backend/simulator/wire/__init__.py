"""Bytes from the network: transactions and base58 text, checked before use."""
