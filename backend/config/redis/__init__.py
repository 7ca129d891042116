"""``REDIS_URL``: its forms and its parameters."""
