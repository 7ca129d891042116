"""The entries of the route table, by what they are about."""
