"""Logs and metrics: one function for each event, which logs it and counts it.

Callers name the event (``observe.order_ended(...)``); all log messages and metric names are in
this module. Labels have few values: never an order id.
"""

from __future__ import annotations

import logging
import sys
from contextvars import ContextVar
from functools import cache

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from backend.runtime.observe_requests import add_request_id
from backend.runtime.structured_log import structlog

_log: structlog.stdlib.BoundLogger = structlog.get_logger("order-engine")

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_ROWS = (1, 2, 5, 10, 20, 50, 100, 200, 500)

_orders_stored = Counter("orders_accepted", "Orders stored")
_orders_ended = Counter(
    "orders_ended", "Orders that reached a final status", ["status", "dex", "code"]
)
_status_s = Histogram(
    "order_state_seconds", "Time spent in each status", ["status"], buckets=_SECONDS
)
_orders_retried = Counter("orders_retried", "Failed attempts that are retried", ["code"])
_orders_waited = Counter("orders_waited", "Attempts that waited for the end of an outage", ["code"])
_late_fills = Counter("late_amounts", "Amounts that were told after their order was confirmed")
_orders_in_flight = Gauge("orders_in_flight", "Orders that this worker executes now")
_leases_lost = Counter("leases_lost", "Leases that another worker took over")
_leases_renewed = Counter("leases_renewed", "Leases renewed")
_commit_rows = Histogram("journal_batch_rows", "Transitions in one group commit", buckets=_ROWS)
_commit_s = Histogram("journal_commit_seconds", "Duration of one group commit", buckets=_SECONDS)
_jobs_failed = Counter("jobs_failed", "Jobs that ended in an unexpected error")
_rpc_s = Histogram("rpc_seconds", "Duration of JSON-RPC calls", ["method"], buckets=_SECONDS)
_rpc_calls = Counter("rpc_calls", "JSON-RPC calls", ["method", "outcome"])
_quotes_failed = Counter("quotes_failed", "Quote requests that a venue failed", ["dex", "code"])
_transactions_resent = Counter(
    "transactions_resent", "Transactions that were sent again with the same bytes"
)
_http_requests = Counter("http_requests", "HTTP requests", ["route", "status"])
_http_request_s = Histogram(
    "http_request_seconds", "Duration of HTTP requests", ["route"], buckets=_SECONDS
)
_sockets_open = Gauge("websockets_open", "Open WebSocket connections", ["route"])
_slow_sockets = Counter(
    "websockets_too_slow", "WebSocket connections closed because their reader fell behind"
)
_events_read = Counter("events_read", "Events read from the journal for subscribers")

# Of labels that every order has: to find one by its labels takes as long as ten increments.
_get_ended_counter = cache(_orders_ended.labels)
_get_status_timer = cache(_status_s.labels)
_get_rpc_counter = cache(_rpc_calls.labels)
_get_rpc_timer = cache(_rpc_s.labels)
_get_request_counter = cache(_http_requests.labels)
_get_request_timer = cache(_http_request_s.labels)

_order_id: ContextVar[str] = ContextVar("order_id")


def _add_order_id(
    logger: object, method: str, event: structlog.types.EventDict
) -> structlog.types.EventDict:
    order_id = _order_id.get(None)
    if order_id is not None:
        event["order_id"] = order_id
    return event


def configure_logging(level: str, style: str) -> None:
    """Log to standard error from ``level`` up, as ``json``, ``console`` or ``auto``."""
    is_json = style == "json" or (style == "auto" and not sys.stderr.isatty())
    # Plain tracebacks: the pretty ones show local variables, and with them headers and keys.
    console = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    renderer: structlog.types.Processor = (
        structlog.processors.JSONRenderer() if is_json else console
    )
    shared_processors: list[structlog.types.Processor] = [
        _add_order_id,
        add_request_id,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    formatting = [structlog.processors.format_exc_info, renderer] if is_json else [renderer]
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared_processors, *formatting],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # Libraries log through the standard module: warnings and errors only, in the same format.
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *formatting,
            ],
            foreign_pre_chain=shared_processors,
        )
    )
    logging.basicConfig(handlers=[handler], level=max(number, logging.WARNING), force=True)
    # The pool logs a traceback for each attempt while the server is down; we log one line.
    logging.getLogger("asyncpg.pool").setLevel(logging.ERROR)


def export_metrics() -> tuple[bytes, str]:
    """All metrics of this process in Prometheus' text format, and the content type."""
    return generate_latest(REGISTRY), CONTENT_TYPE_LATEST


def bind_order_id(order_id: str) -> None:
    """Add the order's id to every log line of this task from now on."""
    _order_id.set(order_id)


def process_started(process: str, **fields: object) -> None:
    """A process is ready to serve."""
    _log.info("ready", process=process, **fields)


def process_stopping(process: str, **fields: object) -> None:
    """A process starts its graceful shutdown."""
    _log.info("stopping", process=process, **fields)


def migration_applied(name: str) -> None:
    """A migration was applied."""
    _log.info("migrated", migration=name)


def orders_stored(count: int) -> None:
    """Orders were accepted and stored."""
    _orders_stored.inc(count)


def order_status_changed(status: str, seconds: float, exemplar: dict[str, str] | None) -> None:
    """An order left a status after some time in it; ``exemplar`` names its trace, if it has one."""
    _get_status_timer(status).observe(seconds, exemplar)


def order_ended(status: str, dex: str, code: str, reason: str = "") -> None:
    """An order reached a final status."""
    _get_ended_counter(status, dex, code).inc()
    if reason:
        _log.info("order ended", status=status, dex=dex, code=code, reason=reason)
    else:
        _log.debug("order ended", status=status, dex=dex)


def order_retried(code: str, reason: str, attempt: int, wait_ms: int) -> None:
    """An attempt failed; the next one follows after a backoff."""
    _orders_retried.labels(code).inc()
    _log.info("retry", code=code, reason=reason, next_attempt=attempt, wait_ms=wait_ms)


def orders_in_flight(count: int) -> None:
    """The number of orders that this worker executes changed."""
    _orders_in_flight.set(count)


def lease_lost() -> None:
    """Another worker took an order over; this worker stopped executing it."""
    _leases_lost.inc()
    _log.warning("lease lost")


def leases_renewed(count: int) -> None:
    """Leases were renewed."""
    _leases_renewed.inc(count)


def orders_released(count: int) -> None:
    """A stopping worker released the leases of its unfinished orders."""
    _log.info("leases released", orders=count)


def journal_committed(rows: int, seconds: float) -> None:
    """A group commit of transitions succeeded."""
    _commit_rows.observe(rows)
    _commit_s.observe(seconds)


def job_failed(error: BaseException) -> None:
    """A job raised an unexpected error; it is retried now or by the sweep."""
    _jobs_failed.inc()
    _log.error("job failed", error=repr(error), exc_info=error)


def server_awaited(server: str, reason: str) -> None:
    """This process cannot start before a server answers, and waits for it."""
    _log.error(f"waiting for {server}", reason=reason)


def rpc_called(method: str, outcome: str, seconds: float) -> None:
    """A JSON-RPC call ended; ``outcome`` is ``ok`` or the class of the error."""
    _get_rpc_counter(method, outcome).inc()
    _get_rpc_timer(method).observe(seconds)


def quote_failed(dex: str, code: str, reason: str) -> None:
    """A venue did not quote an order."""
    _quotes_failed.labels(dex, code).inc()
    _log.debug("quote failed", dex=dex, code=code, reason=reason)


def transactions_resent(count: int) -> None:
    """Transactions that have not landed were sent again."""
    _transactions_resent.inc(count)


def send_failed(code: str, reason: str) -> None:
    """A send failed or timed out; the status of the signature decides the outcome."""
    _log.info("send failed", code=code, reason=reason)


def landed_transaction_not_found(signature: str) -> None:
    """A node reports that a transaction landed, but does not return the transaction."""
    _log.warning("landed transaction not found on node", signature=signature)


def order_waits(code: str, reason: str) -> None:
    """An order waits for the end of an outage; it uses up no attempt."""
    _orders_waited.labels(code).inc()
    _log.info("order waits", code=code, reason=reason)


def node_without_history() -> None:
    """The node says that it keeps no history: orders end without their amounts."""
    _log.warning(
        "the node has no transaction history",
        effect="confirmed orders show no amountOut until a node tells it",
    )


def history_needed() -> None:
    """Whether a transaction landed can only be told by a node with a history."""
    _log.warning("a node with transaction history is needed to tell how an order ended")


def late_fills_asked(orders: int, found: int) -> None:
    """A worker asked again for the amounts of confirmed orders."""
    _late_fills.inc(found)
    _log.info("late amounts", asked=orders, found=found)


def late_fills_failed(error: BaseException) -> None:
    """A round of asking for amounts failed."""
    _log.warning("late amounts failed", error=repr(error))


def withdrawals_failed(error: BaseException) -> None:
    """A round of ending orders that expire, or that a timer cancels, failed."""
    _log.warning("withdrawals failed", error=repr(error))


def chain_query_failed(operation: str, error: BaseException) -> None:
    """A query of the chain failed and is repeated."""
    _log.warning("chain query failed", operation=operation, error=repr(error))


def request_answered(route: str, status: int, seconds: float) -> None:
    """An HTTP response was sent."""
    _get_request_counter(route, str(status)).inc()
    _get_request_timer(route).observe(seconds)
    _log.debug("request answered", route=route, status=status, seconds=round(seconds, 6))


def request_failed(route: str, error: BaseException) -> None:
    """A request failed with an internal error."""
    _log.error("request failed", route=route, error=repr(error), exc_info=error)


def socket_opened(route: str) -> None:
    """A WebSocket connection was opened."""
    _sockets_open.labels(route).inc()


def socket_closed(route: str) -> None:
    """A WebSocket connection was closed."""
    _sockets_open.labels(route).dec()


def slow_socket_closed() -> None:
    """A WebSocket connection was closed because its reader fell too far behind."""
    _slow_sockets.inc()


def feed_events_read(count: int) -> None:
    """The feed read events for its subscribers."""
    _events_read.inc(count)
