"""The spans of orders, as OpenTelemetry's SDK sends them: from a thread, in batches, over HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Thread
from time import time_ns
from typing import Final
from uuid import UUID

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from backend.runtime.order_traces import (
    EXEMPLAR_LABEL,
    TRACEPARENT,
    Exemplar,
    compute_root_span_id,
    format_traceparent,
    is_traced,
)
from backend.runtime.order_traces.address_filter import hide_address

SPANS_QUEUED_MAX: Final = 8_192
"""Spans that wait to be sent; those beyond are dropped."""
SEND_TIMEOUT_S: Final = 5
STOP_TIMEOUT_S: Final = 2
"""How long a process that ends waits for its last spans to be sent."""
_FAILED: Final = "failed"
_TIMED_IDS: Final = {7, 8}
"""The versions of the ids that have a time: of orders that clients place, and of slices."""
_MILLISECONDS_SHIFT: Final = 80
"""That time is before the last 80 bits."""


class _OrderIds(RandomIdGenerator):
    """Gives the first span of ``order_id`` its ids, and other spans random ones."""

    order_id: UUID | None = None

    def generate_trace_id(self) -> int:
        """The id of a trace that begins."""
        return super().generate_trace_id() if self.order_id is None else self.order_id.int

    def generate_span_id(self) -> int:
        """The id of a span that begins."""
        if self.order_id is None:
            return super().generate_span_id()
        return compute_root_span_id(self.order_id)


class OrderSpans:
    """Records what happens to orders in this process as spans of the orders' traces."""

    def __init__(self, process: str, url: str, share: float) -> None:
        self._share = share
        self._ids = _OrderIds()
        resource = Resource.create(
            {"service.name": f"order-engine-{process}", "service.namespace": "order-engine"}
        )
        provider = TracerProvider(resource=resource, id_generator=self._ids, shutdown_on_exit=False)
        hide_address(url)
        exporter = OTLPSpanExporter(endpoint=url, timeout=SEND_TIMEOUT_S)
        self._processor = BatchSpanProcessor(
            exporter, max_queue_size=SPANS_QUEUED_MAX, schedule_delay_millis=1_000
        )
        provider.add_span_processor(self._processor)
        self._tracer = provider.get_tracer("order-engine")

    def stop(self) -> None:
        """Send what has not been sent; give up after two seconds, which the SDK does not."""
        flush = Thread(target=self._processor.force_flush, daemon=True)
        flush.start()
        flush.join(STOP_TIMEOUT_S)

    def record_acceptance(self, order_id: UUID, headers: Mapping[str, str]) -> None:
        """The first span of an order: from its id to the commit, linked to the caller's trace."""
        if not is_traced(order_id, self._share):
            return
        caller = _read_caller(headers)
        links = [Link(caller)] if caller.is_valid else []
        attributes = {"order.id": str(order_id)}
        self._record_first(order_id, "accept order", SpanKind.SERVER, attributes, links)

    def record_child(self, order_id: UUID, parent_id: UUID) -> None:
        """The first span of an order that another one has placed, linked to that one's trace."""
        if not is_traced(order_id, self._share):
            return
        links = [Link(_build_first(parent_id))] if is_traced(parent_id, self._share) else []
        attributes = {"order.id": str(order_id), "order.parent_id": str(parent_id)}
        self._record_first(order_id, "place order", SpanKind.INTERNAL, attributes, links)

    def _record_first(
        self,
        order_id: UUID,
        name: str,
        kind: SpanKind,
        attributes: Mapping[str, str],
        links: Sequence[Link],
    ) -> None:
        # The order of a bracket has an id without a time: it comes to be at once.
        start_ns = _read_creation_ns(order_id) if order_id.version in _TIMED_IDS else time_ns()
        self._ids.order_id = order_id
        try:
            span = self._tracer.start_span(name, Context(), kind, attributes, links, start_ns)
        finally:
            self._ids.order_id = None
        span.end()

    def find_traceparent(self, order_id: UUID) -> str | None:
        """The W3C ``traceparent`` of an order, if it is traced."""
        return format_traceparent(order_id) if is_traced(order_id, self._share) else None

    def record_status(
        self, order_id: UUID, status: str, next_status: str, seconds: float, ago_s: float
    ) -> Exemplar | None:
        """A span for the time that an order was in a status."""
        if not is_traced(order_id, self._share):
            return None
        end_ns = time_ns() - round(ago_s * 1e9)
        start_ns = end_ns - round(seconds * 1e9)
        attributes = {"order.id": str(order_id), "order.next_status": next_status}
        span = self._tracer.start_span(
            status, _build_parent(order_id), SpanKind.INTERNAL, attributes, start_time=start_ns
        )
        if next_status == _FAILED:
            span.set_status(Status(StatusCode.ERROR))
        span.end(end_ns)
        return {EXEMPLAR_LABEL: order_id.hex}


def _build_first(order_id: UUID) -> SpanContext:
    """The first span of an order, as other processes know it."""
    return SpanContext(
        trace_id=order_id.int,
        span_id=compute_root_span_id(order_id),
        is_remote=True,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
    )


def _build_parent(order_id: UUID) -> Context:
    return set_span_in_context(NonRecordingSpan(_build_first(order_id)), Context())


def _read_caller(headers: Mapping[str, str]) -> SpanContext:
    """The span that the caller's request names; one that is not valid is none."""
    carrier = {TRACEPARENT: headers.get(TRACEPARENT, "")}
    context = TraceContextTextMapPropagator().extract(carrier, Context())
    return get_current_span(context).get_span_context()


def _read_creation_ns(order_id: UUID) -> int:
    return (order_id.int >> _MILLISECONDS_SHIFT) * 1_000_000
