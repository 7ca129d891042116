"""Operations endpoints: liveness and Prometheus metrics."""

from __future__ import annotations

from backend.api.context import ApiContext
from backend.api.wire.http import Request, Response, json_response
from backend.runtime import observe


async def get_liveness(api: ApiContext, request: Request) -> Response:
    """``GET /healthz``, ``/health``, ``/livez``: this process responds; it checks nothing else."""
    return json_response({"status": "ok"})


async def get_metrics(api: ApiContext, request: Request) -> Response:
    """``GET /metrics`` in Prometheus' text format, for callers that may read it."""
    api.metrics_access.require(request)
    body, content_type = observe.export_metrics()
    return Response(200, body, {}, content_type)
