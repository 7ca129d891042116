"""What happens, told once: one function for each thing, which logs it and counts it.

Code elsewhere reads as events (``observe.order_ended(...)``); the words of the logs and the names
of the metrics are all here. Labels have few values: never an order id.
"""

from __future__ import annotations

import logging
import sys
from contextvars import ContextVar
from functools import cache

import structlog
from prometheus_client import REGISTRY, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

_log: structlog.stdlib.BoundLogger = structlog.get_logger("order-engine")

_FAST_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_ROWS = (1, 2, 5, 10, 20, 50, 100, 200, 500)

_stored = Counter("orders_accepted", "Orders stored")
_ended = Counter("orders_ended", "Orders that ended", ["status", "dex", "code"])
_in_state = Histogram("order_state_seconds", "Time in each state", ["status"], buckets=_FAST_S)
_retries = Counter("orders_retried", "Attempts that failed and will be repeated", ["code"])
_in_flight = Gauge("orders_in_flight", "Orders that this worker drives")
_lost = Counter("leases_lost", "Orders that another worker took over")
_renewed = Counter("leases_renewed", "Leases renewed")
_batches = Histogram("journal_batch_rows", "Transitions in one commit", buckets=_ROWS)
_commit_s = Histogram("journal_commit_seconds", "Time of one commit", buckets=_FAST_S)
_database_gone = Counter("database_gone", "Statements that PostgreSQL did not answer")
_kicked = Counter("jobs_sent", "Jobs put on the queue", ["by"])
_kicks_lost = Counter("jobs_not_sent", "Jobs that Redis did not take; the sweep will send them")
_jobs_dropped = Counter("jobs_unreadable", "Messages on the queue that are no jobs")
_jobs_failed = Counter("jobs_failed", "Jobs that ended in an unexpected error")
_queue_depth = Gauge("jobs_queued", "Jobs on the queue that no worker has taken")
_redis_gone = Counter("redis_gone", "Commands that Redis did not answer")
_rpc_s = Histogram("rpc_seconds", "Time of JSON-RPC calls", ["method"], buckets=_FAST_S)
_rpc = Counter("rpc_calls", "JSON-RPC calls", ["method", "outcome"])
_quotes_failed = Counter("quotes_failed", "Quotes that a venue did not give", ["dex", "code"])
_resent = Counter("transactions_resent", "Transactions sent again, the same bytes")
_requests = Counter("http_requests", "Requests answered", ["route", "status"])
_request_s = Histogram("http_request_seconds", "Time to answer", ["route"], buckets=_FAST_S)
_sockets = Gauge("websockets_open", "WebSocket connections", ["route"])
_slow = Counter("websockets_too_slow", "Sockets closed because their reader fell behind")
_delivered = Counter("events_read", "Events read from the journal for subscribers")


_order_id: ContextVar[str] = ContextVar("order_id")


def _name_order(
    logger: object, method: str, event: structlog.types.EventDict
) -> structlog.types.EventDict:
    order_id = _order_id.get(None)
    if order_id is not None:
        event["order_id"] = order_id
    return event


def configure(level: str, style: str) -> None:
    """Log from ``level`` on, to standard error, as ``json``, ``console`` or ``auto``."""
    as_json = style == "json" or (style == "auto" and not sys.stderr.isatty())
    renderer: structlog.types.Processor = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer()
    )
    shared: list[structlog.types.Processor] = [
        _name_order,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    formatting = [structlog.processors.format_exc_info, renderer] if as_json else [renderer]
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, *formatting],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # Libraries log through the standard module: only what is wrong, in the same form.
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *formatting,
            ],
            foreign_pre_chain=shared,
        )
    )
    logging.basicConfig(handlers=[handler], level=max(number, logging.WARNING), force=True)
    # Its pool tells of a server that is away by a traceback a try; we tell it in a line.
    logging.getLogger("asyncpg.pool").setLevel(logging.ERROR)


def metrics() -> tuple[bytes, str]:
    """Every metric of this process in Prometheus' text format, and its content type."""
    return generate_latest(REGISTRY), CONTENT_TYPE_LATEST


def bind(order_id: str) -> None:
    """Put the order's id into every line that this task logs from now on."""
    _order_id.set(order_id)


def started(process: str, **facts: object) -> None:
    """A process is ready."""
    _log.info("ready", process=process, **facts)


def stopping(process: str, **facts: object) -> None:
    """A process was asked to stop."""
    _log.info("stopping", process=process, **facts)


def migrated(name: str) -> None:
    """A migration was applied."""
    _log.info("migrated", migration=name)


def orders_stored(count: int) -> None:
    """Orders were accepted."""
    _stored.inc(count)


@cache
def _time_in(state: str) -> Histogram:
    return _in_state.labels(state)


def order_moved(left: str, seconds: float) -> None:
    """An order left a state after a time in it."""
    _time_in(left).observe(seconds)


def order_ended(status: str, dex: str, code: str, reason: str = "") -> None:
    """An order reached its end."""
    _ended.labels(status, dex, code).inc()
    if reason:
        _log.info("order ended", status=status, dex=dex, code=code, reason=reason)
    else:
        _log.debug("order ended", status=status, dex=dex)


def order_retried(code: str, reason: str, attempt: int, wait_ms: int) -> None:
    """An attempt failed; the next one waits for its time."""
    _retries.labels(code).inc()
    _log.info("retry", code=code, reason=reason, next_attempt=attempt, wait_ms=wait_ms)


def in_flight(count: int) -> None:
    """How many orders this worker drives now."""
    _in_flight.set(count)


def lease_lost() -> None:
    """Another worker took an order over; this one stopped driving it."""
    _lost.inc()
    _log.warning("lease lost")


def leases_renewed(count: int) -> None:
    """Leases were renewed."""
    _renewed.inc(count)


def orders_handed_back(count: int) -> None:
    """A stopping worker gave its unfinished orders back."""
    _log.info("handed back", orders=count)


def journal_committed(rows: int, seconds: float) -> None:
    """A group commit of transitions."""
    _batches.observe(rows)
    _commit_s.observe(seconds)


def database_gone(error: BaseException) -> None:
    """PostgreSQL did not answer."""
    _database_gone.inc()
    _log.warning("database does not answer", error=repr(error))


def redis_gone(doing: str, error: BaseException) -> None:
    """Redis did not answer."""
    _redis_gone.inc()
    _log.warning("redis does not answer", doing=doing, error=repr(error))


def jobs_sent(count: int, by: str) -> None:
    """Jobs were put on the queue by the intake, the sweep or a retry."""
    _kicked.labels(by).inc(count)


def jobs_not_sent(count: int, error: BaseException) -> None:
    """Redis did not take jobs; their orders are stored and the sweep finds them."""
    _kicks_lost.inc(count)
    _log.warning("jobs not sent", jobs=count, error=repr(error))


def job_unreadable(message: object) -> None:
    """Something on the queue is no job; it was dropped."""
    _jobs_dropped.inc()
    _log.error("unreadable job", message=repr(message)[:200])


def job_failed(error: BaseException) -> None:
    """A job raised what it should not; it is retried, or left to the sweep."""
    _jobs_failed.inc()
    _log.error("job failed", error=repr(error), exc_info=error)


def swept(count: int) -> None:
    """The sweep found orders that nobody drove."""
    _log.info("swept", orders=count)


def sweep_failed(error: BaseException) -> None:
    """The sweep could not look."""
    _log.warning("sweep failed", error=repr(error))


def queue_depth(jobs: int) -> None:
    """How many jobs wait on the queue."""
    _queue_depth.set(jobs)


def rpc_called(method: str, outcome: str, seconds: float) -> None:
    """A JSON-RPC call ended; ``outcome`` is ``ok`` or the class of the error."""
    _rpc.labels(method, outcome).inc()
    _rpc_s.labels(method).observe(seconds)


def quote_failed(dex: str, code: str, reason: str) -> None:
    """A venue gave no quote for an order."""
    _quotes_failed.labels(dex, code).inc()
    _log.debug("no quote", dex=dex, code=code, reason=reason)


def resent(count: int) -> None:
    """Transactions that have not landed were sent again."""
    _resent.inc(count)


def send_unanswered(code: str, reason: str) -> None:
    """A send brought no answer; the chain will tell."""
    _log.info("send unanswered", code=code, reason=reason)


def landed_untold(signature: str) -> None:
    """A node tells that a transaction landed, and does not show it."""
    _log.warning("node does not show a landed transaction", signature=signature)


def watcher_failed(doing: str, error: BaseException) -> None:
    """The chain could not be asked; it is asked again."""
    _log.warning("chain does not answer", doing=doing, error=repr(error))


def request_answered(route: str, status: int, seconds: float) -> None:
    """An HTTP request was answered."""
    _requests.labels(route, str(status)).inc()
    _request_s.labels(route).observe(seconds)


def request_failed(route: str, error: BaseException) -> None:
    """A request ended in an error of ours."""
    _log.error("request failed", route=route, error=repr(error), exc_info=error)


def socket_opened(route: str) -> None:
    """A WebSocket was accepted."""
    _sockets.labels(route).inc()


def socket_closed(route: str) -> None:
    """A WebSocket is gone."""
    _sockets.labels(route).dec()


def socket_too_slow() -> None:
    """A reader fell too far behind and was closed."""
    _slow.inc()


def events_read(count: int) -> None:
    """The feed read events for its subscribers."""
    _delivered.inc(count)
