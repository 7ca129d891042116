"""Webhooks on the wire: what owners ask for, and where messages may go."""
