"""What the engine is about, as pure values and decisions: no clock, no randomness, no I/O."""
