"""The loss of a day: a warning near its limit, then a trading state that only a person lifts."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from pathlib import Path

from backend.store.audit_log.reads import read_rows
from backend.store.database import open_pool
from tests.integration.apis import Json, wait_until
from tests.integration.full_engine import FullEngine, run_full_engine
from tests.integration.limit_rows import store_limits
from tests.integration.stored_keys import send

LIMITS = "/api/admin/limits/local"


async def fill(engine: FullEngine, token_in: str, token_out: str, amount: str) -> Json:
    order = {"tokenIn": token_in, "tokenOut": token_out, "amount": amount}
    placed = await engine.api.post("/api/orders/execute", order)
    return (await engine.read_events(placed["orderId"]))[-1]


async def lose(engine: FullEngine) -> None:
    """Buy and sell again: what the venues keep is lost."""
    bought = await fill(engine, "USDC", "SOL", "1000")
    await fill(engine, "SOL", "USDC", bought["amountOut"])


async def wait_stopped(engine: FullEngine) -> None:
    async def is_stopped() -> bool:
        return bool((await engine.api.get("/api/limits"))["stopped"])

    await wait_until(is_stopped)


async def warn(engine: FullEngine, database_url: str, near: str) -> None:
    """Set a limit that is near, until it was warned of, and then one that is not."""

    async def is_near() -> bool:
        return bool((await engine.api.get("/api/limits"))["isLossNear"])

    async def is_warned() -> bool:
        return "loss_near" in await read_actions(database_url)

    for limit, is_so in ((near, True), ("1000000", False)):
        limits = {"maxDailyLoss": limit}
        assert (await send(engine.api, LIMITS, method="PUT", body=limits))[0] == 200
        assert await is_near() == is_so
        await wait_until(is_warned)


async def stop_again(engine: FullEngine) -> None:
    await lose(engine)
    await fill(engine, "USDC", "SOL", "1000")
    await engine.api.place_order(amount="9")  # it may be stopped before this is sold
    await wait_stopped(engine)


async def test_a_loss_warns_and_stops_and_after_a_resume_it_counts_anew(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    await store_limits(database_url, {"maxDailyLoss": "1000000"}, "local")
    async with run_full_engine(database_url, redis_url, data_dir) as engine:

        async def read_loss() -> Decimal:
            return Decimal((await engine.api.get("/api/limits"))["used"]["maxDailyLoss"])

        async def has_loss() -> bool:
            return await read_loss() > 0

        await lose(engine)
        await wait_until(has_loss)
        loss = await read_loss()
        assert 1 < loss < 20
        near = str((loss / Decimal("0.9")).quantize(Decimal("0.000001")))
        await warn(engine, database_url, near)
        reached = {"maxDailyLoss": str(loss), "onDailyLoss": "REDUCING"}
        assert (await send(engine.api, LIMITS, method="PUT", body=reached))[0] == 200

        await wait_stopped(engine)
        assert (await engine.api.get("/api/limits"))["lossState"] == "REDUCING"
        [stopped] = (await engine.api.get("/api/stats"))["stopped"]
        assert "owner local: reducing, into USDC only," in stopped
        assert f"have lost {loss} USDC; the limit is {loss} (by the loss limit)" in stopped
        held = await engine.api.post(
            "/api/orders/execute", {"tokenIn": "USDC", "tokenOut": "SOL", "amount": "1"}
        )
        assert held["held"] == stopped
        await engine.api.post("/api/admin/resume", {"owner": "local"}, 200)
        assert (await engine.read_events(held["orderId"]))[-1]["status"] == "confirmed"
        assert await read_loss() < loss  # it takes the whole limit again
        await stop_again(engine)
    await check_log(database_url)


async def read_actions(database_url: str) -> list[str]:
    async with open_pool(database_url, connections_max=1) as pool:
        return [row.action async for row in read_rows(pool)]


async def check_log(database_url: str) -> None:
    actions = await read_actions(database_url)
    counts = Counter(actions)
    assert counts["loss_limit_reached"] == counts["trading_state_set"] == 2
    assert counts["trading_state_lifted"] == 1
    assert actions.index("loss_near") < actions.index("loss_limit_reached")
