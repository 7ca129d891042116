"""HTTP views: what each address does."""
