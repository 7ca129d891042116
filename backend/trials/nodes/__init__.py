"""Orders over several nodes, of which one at a time is faulty."""
