"""Intake of orders: what accepts them."""

from backend.store.intake.intake import Intake
from backend.store.intake.repeats import NewBatch

__all__ = ["Intake", "NewBatch"]
