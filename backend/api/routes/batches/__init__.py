"""The entries of a batch, and what becomes of each."""
