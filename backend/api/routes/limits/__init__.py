"""Views of limits: what owners have, and who sets them."""
