"""The executable prices of pairs, as the pools that are read anyway show them."""
