"""The text of the views beside the orders."""
