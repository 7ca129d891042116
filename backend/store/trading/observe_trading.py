"""Logs and metrics of trading states: one function for each event."""

from __future__ import annotations

from collections import Counter as Counts
from collections.abc import Sequence
from typing import Final

from prometheus_client import Counter, Gauge

from backend.domain.errors import EngineError
from backend.domain.trading.states import Scope, TradingRule, TradingState
from backend.runtime.structured_log import structlog

_log: Final[structlog.stdlib.BoundLogger] = structlog.get_logger("order-engine")

_states = Gauge("trading_states", "Trading states in force, other than active", ["state", "scope"])
_orders_held = Counter("orders_held", "Executions that a trading state has ended")
_breakers = Counter("breakers_fired", "Times that the breaker has halted trading", ["reason"])
_seals = Counter("audit_events_sealed", "Events of orders that the audit log has sealed")
for _state in (TradingState.HALTED, TradingState.REDUCING):
    for _scope in Scope:
        _states.labels(_state, _scope)


def states_changed(rules: Sequence[TradingRule]) -> None:
    """Other trading states are in force than were before."""
    counts = Counts((each.state, each.target.scope) for each in rules)
    for state in (TradingState.HALTED, TradingState.REDUCING):
        for scope in Scope:
            _states.labels(state, scope).set(counts[state, scope])
    _log.warning("trading states changed", in_force=[each.describe() for each in rules])


def states_unknown(error: EngineError) -> None:
    """The trading states could not be read; those that are known hold."""
    _log.warning("trading states were not read", error=repr(error))


def order_held() -> None:
    """An order is not executed any further for now, as a trading state holds it."""
    _orders_held.inc()


def breaker_fired(reason: str, why: str) -> None:
    """The breaker has halted trading."""
    _breakers.labels(reason).inc()
    _log.error("the breaker has halted trading", reason=reason, why=why)


def breaker_check_failed(error: Exception) -> None:
    """The breaker could not look; the next interval tries again."""
    _log.warning("the breaker could not look", error=repr(error))


def events_sealed(count: int) -> None:
    """The audit log has sealed so many events of orders."""
    _seals.inc(count)


def seal_failed(error: Exception) -> None:
    """Events could not be sealed; the next interval tries again."""
    _log.warning("events of orders were not sealed", error=repr(error))
