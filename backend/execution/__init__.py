"""Execution: one order from its claim to its end, and its transaction from signing to landing."""
