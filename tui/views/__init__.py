"""The views of the main screen beside the orders, and the tabs that show them."""
