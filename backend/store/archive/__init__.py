"""Archives: ended orders written to files, verified there, and removed from the tables."""
