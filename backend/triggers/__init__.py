"""Orders that wait: which of them the market meets, and their release to be executed."""
