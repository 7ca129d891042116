"""The fees that transactions pay the network, as orders ask for them."""
