"""Bars of prices: of seconds for a day, and of minutes for longer."""
