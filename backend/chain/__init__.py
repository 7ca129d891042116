"""Access to a Solana chain: the JSON-RPC client, signed transactions and their outcomes."""
