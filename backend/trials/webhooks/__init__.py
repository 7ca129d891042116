"""Orders whose events are told to webhooks, while processes are killed and receivers fail."""
