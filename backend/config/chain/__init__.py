"""Settings of the chain: its nodes, its cluster, the wallets, and what transactions pay."""
