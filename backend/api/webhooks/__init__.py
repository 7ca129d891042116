"""Webhooks: from the feed to the receivers that owners have named."""
