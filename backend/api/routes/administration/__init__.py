"""Views for those who operate the engine."""
