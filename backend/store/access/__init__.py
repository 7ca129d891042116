"""The keys of clients: made and changed by commands, followed by API processes."""
