"""Logs and metrics of PostgreSQL: one function for each event, as in ``observe``.

While the server is away every statement fails: all are counted, and one line a second is logged.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic
from typing import Final

from prometheus_client import Counter, Gauge

from backend.runtime.structured_log import structlog

LOG_INTERVAL_S: Final = 1.0

_log: structlog.stdlib.BoundLogger = structlog.get_logger("order-engine")

_failures = Counter("database_gone", "Statements that failed because PostgreSQL was unavailable")
_statements_failed = Counter(
    "database_statements_failed",
    "Statements that failed for a reason that somebody has to mend",
    ["reaction"],
)
_feed_lag_s = Gauge(
    "feed_lag_seconds",
    "Age of the oldest transaction that the stream of events waits for; 0 if there is none",
)

_next_log_at: dict[str, float] = {}


def database_is_newer(migrations: Sequence[str]) -> None:
    """The database has migrations of a newer version, with which this one runs too."""
    _log.warning("the database is of a newer version", migrations=list(migrations))


def _may_log(kind: str) -> bool:
    now = monotonic()
    if now < _next_log_at.get(kind, 0):
        return False
    _next_log_at[kind] = now + LOG_INTERVAL_S
    return True


def unavailable(error: BaseException) -> None:
    """A statement failed because PostgreSQL is unavailable."""
    _failures.inc()
    if _may_log(type(error).__name__):
        _log.warning("database unavailable", error=repr(error))


def statement_failed(error: BaseException, reaction: str) -> None:
    """A statement failed, and will again until somebody mends the setup or the engine."""
    _statements_failed.labels(reaction).inc()
    if _may_log(type(error).__name__):
        sqlstate = getattr(error, "sqlstate", None)
        _log.error(
            "database statement failed",
            reaction=reaction,
            sqlstate=sqlstate,
            error=repr(error),
            exc_info=error,
        )


def pooler_found(pid: int, *, has_jit: bool) -> None:
    """A connection pooler is between this process and PostgreSQL."""
    advice = "ALTER ROLE … SET jit = off saves planning time" if has_jit else None
    _log.info("connection pooler found", statements="unnamed", server_pid=pid, advice=advice)


def statements_unprepared(error: BaseException, *, is_forced: bool) -> None:
    """A prepared statement was not in the session that it was prepared in, as behind a pooler."""
    advice = "set ORDER_ENGINE_DATABASE_POOLER=pooled or auto" if is_forced else None
    _log.warning(
        "prepared statements do not last", error=str(error).split("\n", 1)[0], advice=advice
    )


def url_parameter_ignored(name: str, reason: str) -> None:
    """A parameter of ``DATABASE_URL`` has no effect here."""
    _log.warning("parameter of DATABASE_URL ignored", parameter=name, reason=reason)


def feed_lag_measured(seconds: float) -> None:
    """The age of the oldest transaction that the feed waits for was measured."""
    _feed_lag_s.set(seconds)


def feed_delayed(seconds: float, **holder: object) -> None:
    """The feed waits long for one transaction."""
    _log.warning("the stream waits for an open transaction", age_s=round(seconds, 1), **holder)


def durability_found(description: str, protection: str, *, is_safe: bool) -> None:
    """What the server keeps of a commit is known, at the start of a process.

    ``protection`` is what keeps orders from being sent again where it has lost one.
    """
    if is_safe:
        _log.info("database durability", found=description, protection=protection)
    else:
        _log.warning("database may lose commits", found=description, protection=protection)
