"""Orders that belong together: the bracket of an entry, and the orders that come to be of it."""
