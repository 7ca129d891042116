"""Orders that belong together, placed from the form of a single order at a real API."""

from __future__ import annotations

from pathlib import Path

from tests.tui.screens.dialogs import fill_fields, label_text
from tests.tui.screens.test_dialogs import show_dashboard_with_a_node
from tests.tui.sessions import get_dashboard, press_keys, screen_text, wait_for
from tui.screens.main import MainScreen


async def test_an_oco_and_a_bracket_are_placed_from_the_form(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with show_dashboard_with_a_node(database_url, redis_url, data_dir) as pilot:
        model = get_dashboard(pilot).session.model
        await press_keys(pilot, "o")
        await fill_fields(pilot, type="oco", profit="100000", loss="1", confirmations="3")
        await wait_for(pilot, lambda: "this stop is" in label_text(pilot, "sense"))
        await press_keys(pilot, "ctrl+s")
        await wait_for(pilot, lambda: model.counters.by_status["waiting"] == 2)
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, MainScreen))
        profit, stop = sorted(model.sorted_orders, key=lambda order: order.type, reverse=True)
        assert (profit.type, stop.type) == ("takeProfit", "stop")
        assert model.groups.find_sibling(profit) is stop
        assert stop.condition is not None
        assert stop.condition.confirmations == 3
        await press_keys(pilot, "x")
        assert "The other order of its OCO" in screen_text(pilot)
        await press_keys(pilot, "escape", "o")
        await fill_fields(pilot, type="market", side="buy", profit="100000", loss_trail="3")
        await wait_for(pilot, lambda: "its take-profit is" in label_text(pilot, "sense"))
        await press_keys(pilot, "ctrl+s")
        await wait_for(pilot, lambda: len(model.orders) == 3)
        relations = model.sorted_orders[-1].relations
        assert relations is not None
        assert relations.bracket is not None
        assert set(relations.bracket) == {"takeProfit", "stop"}


async def test_a_twap_and_a_sniper_are_placed_from_the_form(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with show_dashboard_with_a_node(database_url, redis_url, data_dir) as pilot:
        model = get_dashboard(pilot).session.model
        await press_keys(pilot, "o")
        fields = {"slices": "4", "interval": "1h", "jitter": "5", "limit": "1", "low": "2"}
        await fill_fields(pilot, type="twap", **fields)
        assert label_text(pilot, "error-slices") == "in 3h00m"
        await wait_for(pilot, lambda: "this limit is" in label_text(pilot, "sense"))
        await press_keys(pilot, "ctrl+s")
        await wait_for(pilot, lambda: model.counters.by_status["waiting"] == 1)
        slices = model.sorted_orders[0].slices
        assert slices is not None
        assert (slices.slice_count, slices.interval_s, slices.jitter_bps) == (4, 3_600, 500)
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, MainScreen))

        await press_keys(pilot, "o")
        await fill_fields(pilot, type="sniper", mint="JUP", fee="1", locked="95", dexes="meteora")
        await press_keys(pilot, "ctrl+s")
        await wait_for(pilot, lambda: model.counters.by_status["waiting"] == 2)
        guards = dict(model.sorted_orders[-1].guards)
        assert guards["mintAuthorityRevoked"] is True
        assert (guards["maxFeeBps"], guards["dexes"]) == (100, ["meteora"])
