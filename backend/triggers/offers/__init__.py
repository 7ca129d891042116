"""What the market offers waiting orders, for those who show it: read at most once a slot."""
