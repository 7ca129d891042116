"""The nodes of the settings, the cluster that they are of, and the bundle endpoint."""
