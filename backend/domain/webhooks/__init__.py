"""Webhooks: whom owners have told of their orders."""
