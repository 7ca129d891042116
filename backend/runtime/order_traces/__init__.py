"""The trace of an order for OpenTelemetry: from its request to its end, whichever process works.

The trace's id is the order's, and the id of its first span follows from that. So every process adds
its spans by itself: nothing travels with jobs or rows that could get lost, an order that waits for
a week has one trace, and whoever knows an order finds its trace. The caller's trace, if the request
names one (``traceparent``), is linked to it, and that of a parent to the traces of the orders that
it has placed. A share of the orders can be traced; all processes
choose the same ones.

It is off unless an address is configured, and then costs a call of an empty function at each place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final
from uuid import UUID

TRACEPARENT: Final = "traceparent"
EXEMPLAR_LABEL: Final = "trace_id"
_RANDOM: Final = 1 << 62
"""The last bits of an order's id (UUIDv7) are a random number below it."""

Exemplar = dict[str, str]
"""What a sample of a metric names: the trace that it comes from."""


class TracesUnavailable(Exception):
    """Traces are asked for, and the packages that send them are not installed."""


def _ignore_acceptance(order_id: UUID, headers: Mapping[str, str]) -> None:
    """Do nothing: no order is traced."""


def _ignore_child(order_id: UUID, parent_id: UUID) -> None:
    """Do nothing: no order is traced."""


def _ignore_status(
    order_id: UUID, status: str, next_status: str, seconds: float, ago_s: float
) -> None:
    """Do nothing: no order is traced."""


def _find_none(order_id: UUID) -> str | None:
    """Find none: no order is traced."""


def _ignore_stop() -> None:
    """Do nothing: no order is traced."""


order_accepted: Callable[[UUID, Mapping[str, str]], None] = _ignore_acceptance
"""An order was stored, for a request with these headers: its trace begins."""
child_placed: Callable[[UUID, UUID], None] = _ignore_child
"""An order was stored that another one, its parent, has placed: its trace begins."""
status_left: Callable[[UUID, str, str, float, float], Exemplar | None] = _ignore_status
"""An order left a status for another one, after seconds in it, whichever process had it, ``ago_s``.

Returns the exemplar for the time in the status, if the order is traced.
"""
find_traceparent: Callable[[UUID], str | None] = _find_none
"""The W3C ``traceparent`` of an order's trace, for whom it is told to; ``None``: it has none."""
stop_order_traces: Callable[[], None] = _ignore_stop
"""Send the spans that wait, for at most two seconds: this process ends."""


def start_order_traces(process: str, url: str, share: float) -> None:
    """Send the spans of this process to the OTLP endpoint at ``url`` from now on; empty: none.

    ``share`` of all orders are traced. Raises ``TracesUnavailable``.
    """
    global order_accepted, child_placed, status_left, find_traceparent, stop_order_traces
    if not url:
        return
    try:
        from backend.runtime.order_traces.spans import OrderSpans  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as missing:
        raise TracesUnavailable(
            f"{missing.name} is not installed: run `scripts/install` (without it: install this"
            " project with its extra `otel`), or do not ask for traces"
        ) from None
    spans = OrderSpans(process, url, share)
    order_accepted, child_placed = spans.record_acceptance, spans.record_child
    status_left, find_traceparent, stop_order_traces = (
        spans.record_status,
        spans.find_traceparent,
        spans.stop,
    )


def is_traced(order_id: UUID, share: float) -> bool:
    """Whether an order is among the share that is traced."""
    return order_id.int % _RANDOM < share * _RANDOM


def compute_root_span_id(order_id: UUID) -> int:
    """The id of the first span of an order: the second half of the order's id."""
    return order_id.int % (1 << 64)


def format_traceparent(order_id: UUID) -> str:
    """The W3C ``traceparent`` of the trace of an order, for whom it is told to."""
    return f"00-{order_id.hex}-{compute_root_span_id(order_id):016x}-01"
