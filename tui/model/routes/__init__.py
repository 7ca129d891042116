"""Routes of orders: their legs, the quotes of all pools, and the names of exchanges."""
