"""The simulated chain: blocks are produced from accepted transactions, and a ledger keeps them."""
