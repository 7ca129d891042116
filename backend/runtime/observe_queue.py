"""Logs and metrics of the queue and of Redis; like ``observe``, one function for each event."""

from __future__ import annotations

from functools import cache

from prometheus_client import Counter, Gauge

from backend.runtime.redis.errors import explain_redis_error
from backend.runtime.structured_log import structlog

_log: structlog.stdlib.BoundLogger = structlog.get_logger("order-engine")

_jobs_sent = Counter("jobs_sent", "Jobs added to the queue", ["by"])
_jobs_not_sent = Counter(
    "jobs_not_sent", "Jobs that Redis did not accept; the sweep finds their orders"
)
_jobs_unreadable = Counter("jobs_unreadable", "Messages on the queue that are not jobs")
_jobs_kept = Counter(
    "jobs_kept", "Jobs that a worker kept for itself because Redis takes or gives none"
)
_consumers_removed = Counter("consumers_removed", "Consumers that were gone and were removed")
_queue_depth = Gauge("jobs_queued", "Jobs on the queue that no worker has started")
_queue_delay = Gauge("jobs_queued_seconds", "How long the oldest job has waited for a worker")
_jobs_left_in_rows = Counter(
    "jobs_left_in_rows", "Jobs beyond an owner's share; workers claim their orders from the rows"
)
_events_notified = Counter(
    "events_notified", "Events that notifications brought, before the journal was read"
)
_redis_failures = Counter("redis_gone", "Commands that failed because Redis was unavailable")

_get_sent_counter = cache(_jobs_sent.labels)


def redis_unavailable(operation: str, error: BaseException) -> None:
    """A command failed because Redis is unavailable."""
    _redis_failures.inc()
    _log.warning("redis unavailable", operation=operation, error=explain_redis_error(error))


def redis_missing_at_start(reason: str) -> None:
    """Redis does not answer while this process starts, which goes on without it."""
    _redis_failures.inc()
    _log.warning("waiting for Redis", reason=reason, meanwhile="the sweep finds the orders")


def redis_url_noted(note: str) -> None:
    """``REDIS_URL`` asks for something that it does not get, or should not ask for."""
    _log.warning("REDIS_URL", note=note)


def queue_restored() -> None:
    """Redis had lost the queue or its group; it was made again."""
    _log.warning("queue restored: Redis had lost it")


def queue_tidied(consumers: int, entries: int) -> None:
    """Consumers that are gone were removed, and entries that nobody would ever have read."""
    _consumers_removed.inc(consumers)
    _log.info("queue tidied", consumers_removed=consumers, entries_removed=entries)


def jobs_kept(count: int) -> None:
    """A worker keeps jobs for itself, because Redis takes or gives none."""
    _jobs_kept.inc(count)


def jobs_sent(count: int, sender: str) -> None:
    """Jobs were added to the queue by the intake or a retry."""
    _get_sent_counter(sender).inc(count)


def jobs_not_sent(count: int, error: BaseException) -> None:
    """Redis did not accept jobs; their orders are stored, and the sweep finds them."""
    _jobs_not_sent.inc(count)
    _log.warning("jobs not sent", jobs=count, error=explain_redis_error(error))


def unreadable_job_dropped(message: object) -> None:
    """A message on the queue is not a job and was dropped."""
    _jobs_unreadable.inc()
    _log.error("unreadable job", message=repr(message)[:200])


def backlogs_found(owners: int) -> None:
    """The sweep found owners with orders that no worker executes."""
    _log.info("orders without a worker found", owners=owners)


def sweep_failed(error: BaseException) -> None:
    """A sweep could not look for orders without a worker."""
    _log.warning("sweep failed", error=repr(error))


def queue_measured(jobs: int, delay_s: float) -> None:
    """What waits on the queue was measured."""
    _queue_depth.set(jobs)
    _queue_delay.set(delay_s)


def job_left_in_row() -> None:
    """A job came while its owner had its share waiting; its order is claimed from its row."""
    _jobs_left_in_rows.inc()


def events_notified(count: int) -> None:
    """Notifications brought events for subscribers in order: the journal is not read for them."""
    _events_notified.inc(count)
