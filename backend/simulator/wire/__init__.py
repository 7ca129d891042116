"""Parsers of untrusted bytes from the network: transactions and base58 text."""
