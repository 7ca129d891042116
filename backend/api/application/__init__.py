"""The Quart application: the routes, and what every request passes on its way to them."""
