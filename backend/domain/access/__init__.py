"""Who calls: scopes, principals, and the names of owners."""
