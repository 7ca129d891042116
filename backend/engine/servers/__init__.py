"""The servers that the engine needs, examined: PostgreSQL and Redis."""
