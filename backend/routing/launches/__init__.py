"""Routes of orders that buy from a new pool."""
