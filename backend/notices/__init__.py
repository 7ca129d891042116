"""Notices: what operators must hear, sent to the services that they have named."""
