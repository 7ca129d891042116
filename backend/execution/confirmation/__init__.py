"""The outcome of a submitted transaction: whether, and where, its signature has landed."""
