"""The examination of nodes and markets before orders: what they can do, and swaps that are only
simulated. Nothing here sends a transaction, and no PostgreSQL and no Redis is needed."""
