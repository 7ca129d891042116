"""What applies each kind of fault to the running system, and reverts it."""
