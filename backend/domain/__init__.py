"""The domain model as pure values and decisions: no clock, no randomness, no I/O."""
