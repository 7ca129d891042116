"""Routing: reads the pools of every venue, quotes an order on each, chooses the best route."""
