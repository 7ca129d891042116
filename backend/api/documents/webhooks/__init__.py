"""The documents of webhooks: what owners set, and what receivers get."""
