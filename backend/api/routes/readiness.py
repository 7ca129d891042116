"""The readiness endpoint: whether orders can be accepted and executed, and if not, why."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from redis.exceptions import RedisError

from backend.api.context import ApiContext
from backend.api.wire.http import Request, Response, json_response
from backend.api.wire.problems import RETRY_AFTER_S, Problem, retry_later
from backend.chain.rpc.errors import HISTORY_UNAVAILABLE
from backend.domain.errors import EngineError, Unavailable
from backend.domain.trading.states import Scope
from backend.engine.api_services import ApiServices
from backend.engine.nodes.cluster import ProgramProbe
from backend.routing.pool_finder import ListingProbe
from backend.runtime.redis.keys import STREAM
from backend.store.feed_lag import FeedLag, OpenTransaction
from backend.store.trading.rules import TradingRules

CHECK_TIMEOUT_S = 2.0
ADVISORY_CHECKS = {"feed", "history", "pools", "programs"}
"""Checks that say something, and make the API no less ready."""
_NO_HISTORY = "the node keeps no transaction history: confirmed orders have no amount"

_NO_LISTING = "sniper orders find new pools at the venues' default addresses only"

Check = Callable[[], Awaitable[Mapping[str, object] | None]]
"""A check of one dependency; it returns what else is to be said of it."""


async def get_readiness(api: ApiContext, request: Request) -> Response:
    """``GET /readyz``: whether orders can be accepted and executed.

    A late feed, a node without history, one that lists no pools, or a program that is not there
    makes it no less ready: orders are executed and end.
    """
    if api.admission.is_stopping:
        raise retry_later("shutting_down", "this server is stopping; use another one")
    async with asyncio.TaskGroup() as tasks:
        running = {
            name: tasks.create_task(_run_check(check))
            for name, check in _list_checks(api.services).items()
        }
    checks = {name: task.result() for name, task in running.items()}
    failed = [
        name for name, check in checks.items() if not check["ok"] and name not in ADVISORY_CHECKS
    ]
    if not failed:
        return json_response({"status": "ready", "checks": checks})
    detail = f"no response from: {', '.join(failed)}"
    if "database" in failed:
        detail += f" ({checks['database']['reason']})"
    headers = {"Retry-After": str(RETRY_AFTER_S)}
    raise Problem(503, "not_ready", detail, headers=headers, members={"checks": checks})


def _list_checks(services: ApiServices) -> dict[str, Check]:
    async def check_redis() -> None:
        await services.redis.exists(STREAM)  # a node of a Cluster that is down answers PING

    async def check_node() -> Mapping[str, object]:
        await services.rpc.get_latest_blockhash()
        left_out = services.rpc.list_left_out()
        return {"leftOut": left_out} if left_out else {}

    async def check_feed() -> Mapping[str, object]:
        return _describe_feed(services.feed_lag, await services.feed_lag.measure())

    async def check_history() -> None:
        if not await services.probes.history.check():
            raise Unavailable(HISTORY_UNAVAILABLE, _NO_HISTORY)
        if count := await services.orders.count_unknown_amounts():
            reason = f"{count} confirmed orders have no amount yet: the node does not tell it"
            raise Unavailable(HISTORY_UNAVAILABLE, reason)

    return {
        "database": services.orders.check_writable,
        "feed": check_feed,
        "redis": check_redis,
        "node": check_node,
        "history": check_history,
        "pools": partial(_check_listing, services.probes.listing),
        "programs": partial(_check_programs, services.probes.programs),
        "trading": partial(_describe_trading, services.trading.rules),
    }


async def _describe_trading(trading: TradingRules) -> Mapping[str, object]:
    """What is halted, in words, but whose orders: everybody may ask."""
    shown = [
        each.describe() if each.target.scope is not Scope.OWNER else "an owner is stopped"
        for each in trading.current
    ]
    return {"stopped": shown} if shown else {}


async def _check_listing(listing: ListingProbe) -> None:
    if reason := await listing.check():
        raise Unavailable("pools_not_listed", f"{_NO_LISTING}: {reason}")


async def _check_programs(programs: ProgramProbe) -> None:
    if reason := await programs.check():
        raise Unavailable("program_missing", reason)


def _describe_feed(lag: FeedLag, holder: OpenTransaction | None) -> Mapping[str, object]:
    """The lag of the stream, with what holds it back if that is open for long."""
    if holder is None:
        return {"lagSeconds": 0}
    detail: dict[str, object] = {"lagSeconds": round(holder.age_s, 3)}
    if lag.is_long(holder):
        fields = {
            "pid": holder.pid,
            "applicationName": holder.application_name,
            "database": holder.database,
            "preparedAs": holder.prepared_as,
        }
        known = {name: value for name, value in fields.items() if value is not None}
        detail |= {"reason": "the stream waits for an open transaction", "waitsFor": known}
    return detail


async def _run_check(check: Check) -> dict[str, object]:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            return {"ok": True, **(await check() or {})}
    except TimeoutError:
        return {"ok": False, "reason": f"no response within {CHECK_TIMEOUT_S:g} s"}
    except EngineError as error:
        return {"ok": False, "reason": error.reason}
    except (RedisError, OSError) as error:
        return {"ok": False, "reason": type(error).__name__}
