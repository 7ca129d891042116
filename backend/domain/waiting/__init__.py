"""Decisions about orders while they wait: amendments, and limits that hover at the price."""
