"""A Solana chain as the engine knows it: JSON-RPC, signed transactions, and what became of them."""
