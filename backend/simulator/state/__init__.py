"""State of the simulated chain: the clock, accounts and the mempool."""
