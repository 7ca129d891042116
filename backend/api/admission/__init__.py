"""Authentication by API key and ticket, rate limits, and the limit on open orders."""
