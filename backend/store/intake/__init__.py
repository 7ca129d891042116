"""Intake of orders: what accepts them."""

from backend.store.intake.intake import Intake, NewBatch

__all__ = ["Intake", "NewBatch"]
