"""Orders that wait for a price, against a real API: placed, compared, shown and cancelled."""

from __future__ import annotations

from pathlib import Path

from textual.widgets import Input

from tests.tui.screens.dialogs import fill_fields, label_text
from tests.tui.screens.test_dialogs import show_dashboard_with_a_node
from tests.tui.sessions import (
    StaticSource,
    get_dashboard,
    make_session,
    notification_texts,
    press_keys,
    row_texts,
    screen_text,
    show_dashboard,
    wait_for,
)
from tests.tui.waiting import waiting_messages
from tui.model.plan.condition_plan import TYPES
from tui.screens.main import MainScreen
from tui.screens.order_rows import GUARD_ROWS

STOP_LIMIT = {"type": "stopLimit", "trigger": "90", "limit": "89.5", "of": "in"}


async def test_the_fields_appear_that_a_type_has() -> None:
    async with show_dashboard(make_session(StaticSource(waiting_messages()))) as pilot:
        await press_keys(pilot, "o")
        shown = {}
        for name in TYPES:
            await fill_fields(pilot, type=name)
            rows = pilot.app.screen.query(".row")
            shown[name] = {(row.id or "").removeprefix("row-") for row in rows if row.display}
        always = {"pairs", "side", "type", "amount", "slippage", "force"}
        exits = {"profit", "loss"}
        assert {name: rows - always for name, rows in shown.items()} == {
            "market": {"minimum", *exits},
            "limit": {"price", "price_of", *exits},
            "stop": {"price", "price_of"},
            "takeProfit": {"price", "price_of"},
            "stopLimit": {"price", "price_of"},
            "trailingStop": {"trail", "price_of"},
            "oco": {"price_of", *exits},
            "twap": {"price", "slices", "price_of"},
            "sniper": {"mint", "with", "minimum", *GUARD_ROWS},
        }
        assert {"pairs", "side"}.isdisjoint(shown["sniper"])
        await fill_fields(pilot, type="market", profit="160")
        assert pilot.app.screen.query_one("#row-price_of").display
        for name, fields in (
            ("limit", {"limit"}),
            ("stop", {"trigger"}),
            ("takeProfit", {"trigger", "then"}),
            ("stopLimit", {"trigger", "limit"}),
        ):
            await fill_fields(pilot, type=name)
            inputs = pilot.app.screen.query("#field-trigger, #field-limit, #field-then")
            assert {(field.id or "")[6:] for field in inputs if field.display} == fields


async def test_an_expiry_is_shown_as_the_time_that_it_means() -> None:
    async with show_dashboard(make_session(StaticSource(waiting_messages()))) as pilot:
        await press_keys(pilot, "o")
        await fill_fields(pilot, force="gtd", until="2h")
        assert label_text(pilot, "error-until") == "2026-11-18 13:07:41 UTC"
        await fill_fields(pilot, until="soon")
        assert label_text(pilot, "error-until").startswith("write 2h")
        await fill_fields(pilot, force="gtc")
        assert not pilot.app.screen.query_one("#row-until").display


async def test_what_waits_is_filtered_by_status_and_type() -> None:
    async with show_dashboard(make_session(StaticSource(waiting_messages()))) as pilot:
        assert "9 ◇ waiting 6" in screen_text(pilot)
        await press_keys(pilot, "9")
        assert len(row_texts(pilot)) == 6
        await press_keys(pilot, "0", "slash")
        pilot.app.screen.query_one("#filter", Input).value = "type:stopLimit"
        await wait_for(pilot, lambda: len(row_texts(pilot)) == 1)
        assert "≤140" in row_texts(pilot)[0]


async def test_orders_that_wait_are_compared_with_the_market_placed_and_cancelled(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with show_dashboard_with_a_node(database_url, redis_url, data_dir) as pilot:
        session = get_dashboard(pilot).session

        def sense() -> str:
            return label_text(pilot, "sense")

        await press_keys(pilot, "n")
        await fill_fields(pilot, count="6", side="sell", low="1", high="2", **STOP_LIMIT)
        await wait_for(pilot, lambda: "below the market and would wait" in sense())
        await fill_fields(pilot, trigger="190")
        assert sense() == ""  # it was about another price
        await wait_for(pilot, lambda: "above the market and would trigger at once" in sense())
        await fill_fields(pilot, trigger="90", force="gtd", until="1h")
        await press_keys(pilot, "ctrl+s")
        await wait_for(pilot, lambda: session.model.counters.by_status["waiting"] == 6)
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, MainScreen))
        order = session.model.sorted_orders[0]
        assert order.condition is not None
        assert order.condition.to_terms() == {
            "triggerPrice": "90",
            "limitPrice": "89.5",
            "priceOf": "tokenIn",
            "confirmations": 2,
        }
        assert order.expires_ms is not None
        assert order.time_in_force == "gtd"
        await press_keys(pilot, "x")
        assert "stopLimit sell SOL/USDC" in screen_text(pilot)
        assert "≤ 90 USDC per SOL" in screen_text(pilot)
        await press_keys(pilot, "y")
        await wait_for(pilot, lambda: session.model.counters.by_status["cancelled"] == 1)
        await wait_for(
            pilot, lambda: any("never be executed" in each for each in notification_texts(pilot))
        )
