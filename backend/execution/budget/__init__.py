"""The compute budget of a transaction: its limit in units, and the price that it pays."""
