"""PostgreSQL storage: orders, the journal of their transitions, and the feed read from it."""
