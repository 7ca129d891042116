"""Withdrawals: orders that end before they are submitted, by one compare-and-set each."""
