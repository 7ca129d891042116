"""Jobs: hints that an order wants to be driven. The orders themselves are in PostgreSQL."""
