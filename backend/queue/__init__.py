"""The job queue: hints that an order needs a worker. The orders themselves are in PostgreSQL."""
