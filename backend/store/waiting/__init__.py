"""Orders that wait for a price: their rows, their release, and who watches which of them."""
