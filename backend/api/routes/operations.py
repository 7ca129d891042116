"""Operations endpoints: liveness, readiness and Prometheus metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from redis.exceptions import RedisError

from backend.api.context import ApiContext
from backend.api.wire.http import Request, Response, json_response
from backend.api.wire.problems import RETRY_AFTER_S, Problem
from backend.chain.rpc_errors import HISTORY_UNAVAILABLE
from backend.domain.errors import EngineError, Unavailable
from backend.runtime import observe

CHECK_TIMEOUT_S = 2.0
_NO_HISTORY = "the node keeps no transaction history: confirmed orders have no amount"


async def get_liveness(api: ApiContext, request: Request) -> Response:
    """``GET /healthz`` and ``/livez``: this process responds; no dependency is checked."""
    return json_response({"status": "ok"})


async def get_readiness(api: ApiContext, request: Request) -> Response:
    """``GET /readyz``: whether orders can be accepted and executed.

    A node without history makes it no less ready: orders are executed and end, but without their
    amounts. So its check only tells.
    """
    services = api.services

    async def check_redis() -> None:
        await services.redis.ping()

    async def check_node() -> None:
        await services.rpc.get_latest_blockhash()

    async def check_history() -> None:
        if not await services.history.check():
            raise Unavailable(HISTORY_UNAVAILABLE, _NO_HISTORY)
        if count := await services.orders.count_unknown_amounts():
            reason = f"{count} confirmed orders have no amount yet: the node does not tell it"
            raise Unavailable(HISTORY_UNAVAILABLE, reason)

    dependencies = {
        "database": services.orders.ping,
        "redis": check_redis,
        "node": check_node,
        "history": check_history,
    }
    async with asyncio.TaskGroup() as tasks:
        running = {
            name: tasks.create_task(_run_check(check)) for name, check in dependencies.items()
        }
    checks = {name: task.result() for name, task in running.items()}
    failed = [name for name, check in checks.items() if not check["ok"] and name != "history"]
    if api.admission.is_draining:
        detail = "this server is stopping"
    elif failed:
        detail = f"no response from: {', '.join(failed)}"
    else:
        return json_response({"status": "ready", "checks": checks})
    headers = {"Retry-After": str(RETRY_AFTER_S)}
    raise Problem(503, "not_ready", detail, headers=headers, members={"checks": checks})


async def _run_check(check: Callable[[], Awaitable[None]]) -> dict[str, object]:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            await check()
    except TimeoutError:
        return {"ok": False, "reason": f"no response within {CHECK_TIMEOUT_S:g} s"}
    except EngineError as error:
        return {"ok": False, "reason": error.reason}
    except (RedisError, OSError) as error:
        return {"ok": False, "reason": type(error).__name__}
    return {"ok": True}


async def get_metrics(api: ApiContext, request: Request) -> Response:
    """``GET /metrics`` in Prometheus' text format."""
    body, content_type = observe.export_metrics()
    return Response(200, body, {}, content_type)
