"""The views of fills, positions, reports and prices."""
