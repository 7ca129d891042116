"""The smoke test: 20 mixed orders through a running engine, as any client would send them.

It knows nothing of the engine but its API, and says of each order what became of it and whether
that is what should have.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import aiohttp
from rich.console import Console
from rich.table import Table

ORDER_S: Final = 60.0
"""How long an order may take to end."""

_PAIRS: Final = (
    ("SOL", "USDC", "10"),
    ("USDC", "SOL", "250.5"),
    ("JUP", "USDC", "850"),
    ("BONK", "SOL", "1200000"),
    ("RAY", "USDC", "75.25"),
    ("USDT", "USDC", "1000"),
    ("SOL", "JUP", "3.5"),
    ("USDC", "BONK", "40"),
    ("SOL", "RAY", "0.000001"),
)

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """An order, and how it should end: ``confirmed``, or ``failed`` with this code."""

    body: Json
    status: str = "confirmed"
    code: str | None = None

    def is_met_by(self, last: Json) -> bool:
        """Whether the order's last event is the end that was wanted."""
        return last["status"] == self.status and last.get("code") == self.code


def orders() -> list[Wanted]:
    """Two of each pair, one with limits of its own, and two that no venue can fill."""
    wanted = []
    for token_in, token_out, amount in _PAIRS:
        body = {"tokenIn": token_in, "tokenOut": token_out, "amount": amount}
        wanted += [Wanted(body), Wanted({**body, "slippageBps": 200, "minAmountOut": "0.00001"})]
    for token_in, amount in (("SOL", "1"), ("RAY", "5")):
        body = {"tokenIn": token_in, "tokenOut": "USDC", "amount": amount}
        wanted.append(Wanted({**body, "minAmountOut": "1000000"}, "failed", "min_out_not_met"))
    return wanted


async def run(url: str) -> bool:
    """Send the orders to the engine at ``url``, show what became of them; whether all is well."""
    wanted = orders()
    async with aiohttp.ClientSession(url) as session, asyncio.TaskGroup() as group:
        following = [group.create_task(_follow(session, want.body)) for want in wanted]
    lives = [task.result() for task in following]
    met = [want.is_met_by(life[-1]) for want, life in zip(wanted, lives, strict=True)]
    _show(wanted, lives, met)
    return all(met)


async def _follow(session: aiohttp.ClientSession, body: Json) -> list[Json]:
    """Post one order and watch it to its end; its events."""
    try:
        async with asyncio.timeout(ORDER_S):
            async with session.post("/api/orders/execute", json=body) as response:
                answer = await response.json(content_type=None)
                if response.status != 202:
                    return [
                        {"status": "refused", "code": answer["code"], "reason": answer["detail"]}
                    ]
            async with session.ws_connect(answer["ws_url"]) as socket:
                return [message.json() async for message in socket]
    except TimeoutError:
        return [{"status": "unfinished", "code": "timeout"}]


def _show(wanted: list[Wanted], lives: list[list[Json]], met: list[bool]) -> None:
    table = Table(title=f"{sum(met)} of {len(met)} orders ended as they should")
    for column in ("order", "pair", "status", "DEX", "executed price", "latency", "signature", ""):
        table.add_column(
            column, justify="right" if column in {"executed price", "latency"} else "left"
        )
    for want, life, is_met in zip(wanted, lives, met, strict=True):
        table.add_row(*_row(want, life), "ok" if is_met else "NOT AS WANTED")
    console = Console()
    if not console.is_terminal:
        console.width = 210  # room for whole signatures in a log
    console.print(table)


def _row(want: Wanted, life: list[Json]) -> list[str]:
    last = life[-1]
    known = {key: value for event in life for key, value in event.items()}
    latency = ""
    if len(life) > 1:
        took = datetime.fromisoformat(last["at"]) - datetime.fromisoformat(life[0]["at"])
        latency = f"{took.total_seconds():.3f} s"
    status = last["status"] + (f" ({last['code']})" if last.get("code") else "")
    return [
        str(known.get("orderId", ""))[-12:],
        f"{want.body['tokenIn']}/{want.body['tokenOut']}",
        status,
        str(known.get("dex", "")),
        str(last.get("executedPrice", "")),
        latency,
        str(known.get("txHash", "")),
    ]
