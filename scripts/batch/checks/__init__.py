"""What an engine would refuse of an order for its form alone."""
