"""Many orders at once to several servers against each limit: none is exceeded."""
