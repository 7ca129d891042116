"""The JSON-RPC client of a Solana node: arrays, rate limits, errors and typed results."""
