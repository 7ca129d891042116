"""Which server the journal was last complete on, and what it lacks where it was lost."""
