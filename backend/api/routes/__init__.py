"""HTTP views: what each route does."""
