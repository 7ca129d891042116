"""Intake of orders: what accepts them."""

from backend.store.intake.batch_rows import NewBatch, SettledBatch
from backend.store.intake.intake import Intake

__all__ = ["Intake", "NewBatch", "SettledBatch"]
