"""The market of the simulated chain: reference prices and the pools that follow them."""
