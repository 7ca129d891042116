"""Orders that sell a share of what the wallet holds, which is decided as they are released."""
