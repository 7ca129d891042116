"""Routing: reads the pools of every venue, quotes an order on each and chooses the best quote."""
