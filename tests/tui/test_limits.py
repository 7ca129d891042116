"""The limits of the owner in the view of positions: their words, and what is told near them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.apis import RunningApi
from tests.tui.desk_messages import market_messages
from tests.tui.servers import show_live_dashboard
from tests.tui.sessions import (
    NARROW,
    WIDE,
    StaticSource,
    get_dashboard,
    make_session,
    press_keys,
    screen_text,
    show_dashboard,
    wait_for,
    wait_until_drawn,
)
from tui.connection.recording import RecordedMessage
from tui.model.desk.limits import describe_limits
from tui.model.desk.wire import WireLimits
from tui.model.messages import Limits
from tui.output.desk.limits import render_limits
from tui.text.format import join_text

MINT = "7xKXtg2CW87d97TXJSDpbD5jBkheTqA83TZRuJosgAsU"
LINES = """\
 Limits  day of 2026-11-30, UTC
 orders a second  3 of 20
 open orders      200 of 200, none left
 largest order    10.5 USDC
 volume today     994.77 of 1,000 USDC, 5.23 left
 loss today       84.2 of 100 USDC, 15.8 left
 ! 80 % or more is lost: at the limit trading halts until a person resumes it
 price impact     at most 1 %
 below reference  at most 0.5 %
 slippage         at most 0.25 %
 allowed          SOL, USDC, 7xKX..gAsU, RAY and 1 more
 denied           BONK"""


def wire_limits(**told: Any) -> WireLimits:
    limits: dict[str, Any] = {
        "maxOrdersPerSecond": 20,
        "maxOpenOrders": 200,
        "maxOrderValue": "10.5",
        "maxDailyVolume": "1000",
        "maxPriceImpactBps": 100,
        "maxReferenceDistanceBps": 50,
        "maxSlippageBps": 25,
        "allowedMints": ["SOL", "USDC", MINT, "RAY", "JUP"],
        "deniedMints": ["BONK"],
        "maxDailyLoss": "100",
        "reference": "USDC",
        "ofANewerEngine": "1",
    }
    used = {"maxOrdersPerSecond": 3, "maxOpenOrders": 200, "maxDailyVolume": "994.77"}
    left = {"maxOrdersPerSecond": 17, "maxOpenOrders": 0, "maxDailyVolume": "5.23"}
    answer = {
        "limits": limits,
        "used": used | {"maxDailyLoss": "84.2"},
        "left": left | {"maxDailyLoss": "15.8"},
        "reference": "USDC",
        "day": "2026-11-30",
        "isLossNear": True,
    }
    return answer | told  # type: ignore[return-value]


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["120x40", "80x24"])
async def test_limits_are_told_above_the_positions(size: tuple[int, int]) -> None:
    messages = market_messages()
    messages.append(RecordedMessage(messages[-1].at_ms, Limits(wire_limits())))
    async with show_dashboard(make_session(StaticSource(messages)), size) as pilot:
        await press_keys(pilot, "f5")
        lines = [line.rstrip() for line in screen_text(pilot).splitlines()]
        first = lines.index(" Limits  day of 2026-11-30, UTC")
        assert "\n".join(lines[first : first + 12]) == LINES
        assert lines[first + 13].startswith(" Token ")


def test_what_a_loss_leads_to_is_told_until_a_person_resumes() -> None:
    def show_loss(**told: Any) -> str:
        limits = {"maxDailyLoss": "100", "reference": "USDC", **told.pop("limits", {})}
        lines = render_limits(describe_limits(wire_limits(limits=limits, **told)), 80)
        return "\n".join(join_text(line) for line in lines[1:])

    reducing = {"onDailyLoss": "REDUCING"}
    used = {"maxDailyLoss": "0"}
    assert "at the limit only swaps into USDC go on" in show_loss(limits=reducing)
    quiet = show_loss(
        used={"maxDailyLoss": "79.999999"}, left={"maxDailyLoss": "20.000001"}, isLossNear=False
    )
    assert quiet == " loss today       79.999999 of 100 USDC, 20.000001 left"
    halted = " loss today       100 USDC, reached\n ! the limit was reached: trading is halted"
    assert show_loss(used=used, lossState="HALTED").startswith(halted)
    assert "only swaps into USDC until a person" in show_loss(used=used, lossState="REDUCING")
    other = show_loss(limits={"maxDailyLoss": "1000", "reference": "SOL"})
    assert other == " loss today       1,000 base units of SOL"


def test_without_limits_nothing_is_told() -> None:
    assert render_limits(None, 80) == []
    assert render_limits(describe_limits(wire_limits(limits={"onDailyLoss": "HALTED"})), 80) == []


async def test_limits_of_a_real_api_are_shown_and_go_with_the_last(api: RunningApi) -> None:
    async with show_live_dashboard(api.url, WIDE) as pilot:
        desk = get_dashboard(pilot).session.model.desk
        limits = {"maxOpenOrders": 200, "deniedMints": ["BONK"]}
        async with api.session.put("/api/admin/limits/local", json=limits) as response:
            assert response.status == 200
        await press_keys(pilot, "f5")
        await wait_for(pilot, lambda: desk.limits is not None and len(desk.limits.texts) == 2)
        await wait_until_drawn(pilot)
        assert " open orders      0 of 200" in screen_text(pilot)
        assert " denied           BONK" in screen_text(pilot)
