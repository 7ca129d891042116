"""The simulated chain: block production from accepted transactions, and the ledger."""
