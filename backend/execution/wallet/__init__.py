"""What the wallet holds, as far as it decides whether an order can be signed."""
