"""What a trader has before him beside the orders: positions, markets, quality."""
