"""Leases: which worker executes an order, for how long, and which orders no worker executes."""

from backend.store.leases.lease_store import LeaseStore

__all__ = ["LeaseStore"]
