"""One run: all orders of an owner at once to two servers, which may be killed meanwhile."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp

from backend.domain.lifecycle import Status
from backend.domain.limits.refusals import CODES
from backend.store.database import DatabasePool, open_pool
from backend.trials.data_dir import create_trial_directory
from backend.trials.limits.cases import CASES, TrialCase
from backend.trials.limits.system import LimitsSystem, run_system

POLL_S: Final = 0.2
DRAIN_S: Final = 300.0
KILL_EVERY_S: Final = 1.0
_KEY: Final = "trial-of-limits-{}"
_VOLUMES: Final = """
SELECT coalesce((SELECT volume FROM owner_days WHERE owner = $1 ORDER BY day DESC LIMIT 1), 0)
           ::float8 AS counted,
       coalesce(sum(counted_value) FILTER (WHERE status IN ('submitted', 'confirmed')), 0)
           ::float8 AS rows
FROM orders WHERE owner = $1
"""


@dataclass(slots=True)
class CaseFigures:
    """What became of the orders of an owner."""

    case: TrialCase
    answers: Counter[str] = field(default_factory=Counter)
    """By status of the answer, or code of the refusal; ``lost`` without an answer."""
    ended: Counter[str] = field(default_factory=Counter)
    """By status, or code where they failed."""
    taken: float = 0.0
    counted: float = 0.0
    summed: float = 0.0
    unclear: int = 0
    """Refusals that do not name the limit, the value and what is left."""

    def list_violations(self) -> list[str]:
        """What must not be, as sentences."""
        case, violations = self.case, []
        if self.taken > case.bound:
            violations.append(f"{case.name}: {self.taken} taken of {case.bound}")
        if self.unclear:
            violations.append(f"{case.name}: {self.unclear} refusals name no limit")
        if not self.answers[CODES[case.name]] + self.ended[CODES[case.name]]:
            violations.append(f"{case.name}: nothing was refused")
        if abs(self.counted - self.summed) > 0 and self.counted:
            violations.append(f"{case.name}: counted {self.counted}, in rows {self.summed}")
        return violations


async def run_trial(
    names: tuple[str, ...], orders: int, connections: int, *, kills: bool
) -> dict[str, CaseFigures]:
    """Try these limits, one after the other. Raises ``Transient`` if the engine does not start."""
    keys = ",".join(f"{name}:{_KEY.format(name)}" for name in (*CASES, "operator"))
    settings = {
        "api_keys": keys,
        "admin_owners": "operator",
        "rate_limit": "0",
        "log_level": "warning",
        "owner_open_orders_max": "100000",
    }
    with create_trial_directory("limits") as directory:
        directory.is_disposable = True
        figures: dict[str, CaseFigures] = {}
        async with (
            run_system(directory.path, settings) as system,
            open_pool(system.database_url, connections_max=2) as pool,
        ):
            for name in names:
                trial = _CaseTrial(system, pool, name, connections)
                figures[name] = await trial.run(orders, kills=kills)
        return figures


class _CaseTrial:
    def __init__(
        self, system: LimitsSystem, pool: DatabasePool, name: str, connections: int
    ) -> None:
        self._servers = system.servers
        self._pool = pool
        self._name = name
        self._connections = connections
        self._figures = CaseFigures(CASES[name])

    async def run(self, orders: int, *, kills: bool) -> CaseFigures:
        case, figures = self._figures.case, self._figures
        await self._set_limit()
        killing = asyncio.ensure_future(self._kill()) if kills else None  # noqa: TID251
        try:
            await self._place(orders)
        finally:
            if killing is not None:
                killing.cancel()
                await asyncio.wait([killing])
                for server in self._servers:
                    await server.start()
        await self._drain()
        rows = await self._pool.read(case.query, self._name)
        figures.taken = float(rows[0][0])
        [volumes] = await self._pool.read(_VOLUMES, self._name)
        figures.counted, figures.summed = volumes["counted"], volumes["rows"]
        return figures

    async def _set_limit(self) -> None:
        headers = {"X-API-Key": _KEY.format("operator")}
        body = {self._figures.case.name: self._figures.case.value}
        async with (
            aiohttp.ClientSession(self._servers[0].url, headers=headers) as session,
            session.put(f"/api/admin/limits/{self._name}", json=body) as response,
        ):
            response.raise_for_status()
        await asyncio.sleep(2)  # every process knows it then

    async def _place(self, orders: int) -> None:
        headers = {"X-API-Key": _KEY.format(self._name)}
        bodies = [
            self._figures.case.orders[index % len(self._figures.case.orders)]
            for index in range(orders)
        ]
        async with asyncio.TaskGroup() as group:
            for place, server in enumerate(self._servers):
                part = bodies[place :: len(self._servers)]
                group.create_task(self._place_at(server.url, headers, part))

    async def _place_at(
        self, url: str, headers: Mapping[str, str], bodies: list[dict[str, Any]]
    ) -> None:
        connector = aiohttp.TCPConnector(limit=self._connections // len(self._servers))
        async with (
            aiohttp.ClientSession(url, headers=headers, connector=connector) as session,
            asyncio.TaskGroup() as group,
        ):
            for body in bodies:
                group.create_task(self._place_one(session, body))

    async def _place_one(self, session: aiohttp.ClientSession, body: dict[str, Any]) -> None:
        try:
            async with session.post("/api/orders/execute", json=body) as response:
                answer = await response.json(content_type=None)
        except (aiohttp.ClientError, ValueError, TimeoutError):
            self._figures.answers["lost"] += 1
            return
        code = answer.get("code", str(response.status))
        self._figures.answers[code] += 1
        if code == CODES[self._figures.case.name]:
            self._check_members(answer)

    def _check_members(self, members: Mapping[str, Any]) -> None:
        named = members.get("limitName") == self._figures.case.name
        if not (named and members.get("limit") and members.get("value") and "left" in members):
            self._figures.unclear += 1

    async def _kill(self) -> None:
        while True:
            for server in self._servers:
                await asyncio.sleep(KILL_EVERY_S)
                await server.kill()
                await server.start()

    async def _drain(self) -> None:
        """Wait until all orders that do not wait for a price have ended."""
        query = (
            "SELECT status::text AS status, coalesce(split_part(last_error, ':', 1), '') AS code,"
            " count(*) AS n FROM orders WHERE owner = $1 GROUP BY 1, 2"
        )
        async with asyncio.timeout(DRAIN_S):
            while True:
                rows = await self._pool.read(query, self._name)
                statuses = {Status(row["status"]) for row in rows}
                if all(each.is_final or each is Status.WAITING for each in statuses):
                    break
                await asyncio.sleep(POLL_S)
        for row in rows:
            is_failed = row["status"] == Status.FAILED
            self._figures.ended[row["code"] if is_failed else row["status"]] += row["n"]
        events = await self._pool.read(
            "SELECT e.data->>'exceeded' AS exceeded FROM order_events e JOIN orders o"
            " ON o.id = e.order_id WHERE o.owner = $1 AND e.status = 'failed'"
            " AND e.data->>'code' = $2",
            self._name,
            CODES[self._figures.case.name],
        )
        self._figures.unclear += sum(row["exceeded"] is None for row in events)
