"""Authentication by API key, rate limits, and the limit on open orders."""
