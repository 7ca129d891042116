"""PostgreSQL, the truth: orders, the journal of their transitions, and the feed read from it."""
