"""Logs and metrics of limits: one function for each event."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from prometheus_client import Counter, Gauge

from backend.domain.errors import EngineError
from backend.domain.limits.refusals import CODES, UNKNOWN_CODES
from backend.runtime.structured_log import structlog

_log: Final[structlog.stdlib.BoundLogger] = structlog.get_logger("order-engine")

_owners = Gauge("limited_owners", "Owners with limits of their own, and 1 for those of all owners")
_refused = Counter("orders_refused_by_limits", "Orders that a limit has refused", ["code"])
_losses = Counter("loss_limits", "Daily losses that have come near to a limit, or to it", ["event"])
for _code in {*CODES.values(), *UNKNOWN_CODES.values()}:
    _refused.labels(_code)
for _event in ("warned", "stopped"):
    _losses.labels(_event)


def limits_changed(owners: Sequence[str]) -> None:
    """This process knows other limits than before."""
    _owners.set(len(owners))
    _log.info("limits changed", owners=len(owners))


def order_refused(owner: str, error: EngineError) -> None:
    """A limit of an owner has refused an order."""
    _refused.labels(error.code).inc()


def refusals_not_written(error: Exception) -> None:
    """The audit log could not be told of refusals; the next interval tries again."""
    _log.warning("refusals by limits were not written to the audit log", error=repr(error))


def loss_warned(owner: str, why: str) -> None:
    """Most of what an owner may lose on a day is lost."""
    _losses.labels("warned").inc()
    _log.warning("a daily loss comes near to its limit", owner=owner, why=why)


def loss_stopped(owner: str, why: str) -> None:
    """An owner has lost what it may lose on a day: its trading is stopped."""
    _losses.labels("stopped").inc()
    _log.error("a daily loss has reached its limit", owner=owner, why=why)


def loss_check_failed(error: Exception) -> None:
    """Daily losses could not be looked at; the next interval tries again."""
    _log.warning("daily losses were not looked at", error=repr(error))
