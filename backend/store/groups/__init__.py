"""Orders that belong together, as the store's statements keep their rules."""
