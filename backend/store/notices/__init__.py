"""Notices in PostgreSQL: what operators must hear, and up to where they have."""
