"""Orders that belong together: brackets, and pairs of which at most one order is executed."""
