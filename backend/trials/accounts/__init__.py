"""The trials of fills, positions and reports: against the chain's ledger, and in bulk."""
