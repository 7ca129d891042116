"""Upgrades without a stop: processes of an earlier version are replaced one by one under load."""
