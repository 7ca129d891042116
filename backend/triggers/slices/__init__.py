"""TWAP orders: their slices are placed when they are due, and they end when these have ended."""
