"""The hosts trial: an engine on four hosts of a network of its own, which breaks in every way."""
