"""Several Solana nodes as one: the best is read, all are sent to, and two have to agree."""
