"""Orders that wait for a price: amending them, and what the market offers them."""
