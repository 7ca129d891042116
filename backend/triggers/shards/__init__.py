"""Which shards of waiting orders this process watches, and what waits in them."""
