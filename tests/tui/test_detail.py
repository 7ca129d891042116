"""The detail of one order: the text of each section."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import pytest

from tests.tui.sessions import load_recorded_messages
from tests.tui.wire import (
    CONFIRMED,
    START_MS,
    connection_messages,
    order_event,
    order_events,
    order_id,
    stored_order,
)
from tui.model.messages import Events, Page, Waiting
from tui.model.model import Model
from tui.model.orders import Order
from tui.model.waiting import Outage
from tui.model.wire import WireEvent, WireOutage, WireWaiting
from tui.output.order_detail import render_order_detail
from tui.output.timeline import TextContext
from tui.text.format import join_text
from tui.text.symbols import ASCII, UNICODE, Symbols

RETRIED: list[WireEvent] = [
    *order_events(
        1, CONFIRMED[:4], clientOrderId="mine", batchId="00000000-3fa9", minAmountOut="100.5"
    ),
    order_event(1, 5, "routing", 1_400, attempt=2, code="slippage", reason="it moved", waitMs=480),
    order_event(1, 6, "building", 1_900, attempt=2),
    order_event(1, 7, "submitted", 1_950, attempt=2),
]


def make_model(*events: WireEvent) -> Model:
    model = Model()
    for recorded in connection_messages():
        model.apply(recorded.message, recorded.at_ms)
    model.apply(Page([], is_last=True, is_all=True), START_MS)
    model.apply(Events(list(events)), START_MS)
    return model


def render_lines(
    model: Model,
    order: Order,
    *,
    cells: int = 60,
    after_ms: int = 3_000,
    symbols: Symbols = UNICODE,
) -> list[str]:
    context = TextContext(symbols, UTC, cells, START_MS + after_ms)
    return [
        join_text(line).rstrip()
        for line in render_order_detail(order, model.counters.rates, context)
    ]


def render_events(*events: WireEvent, after_ms: int = 3_000) -> list[str]:
    model = make_model(*events)
    return render_lines(model, model.orders[order_id(1)], after_ms=after_ms)


def test_a_timeline_has_a_bar_for_each_step_and_none_for_the_end() -> None:
    text = render_events(*order_events(1))
    start = text.index(next(line for line in text if line.startswith("TIMELINE")))
    steps = text[start + 1 : start + 6]
    assert [line.split()[1] for line in steps] == list(CONFIRMED)
    assert all("█" in line for line in steps[:4])
    assert steps[4].split() == ["●", "confirmed", "+400"]


def test_the_current_step_lasts_until_now() -> None:
    text = render_events(*order_events(1, CONFIRMED[:4]), after_ms=2_400)
    submitted = next(line for line in text if line.startswith("◕ submitted  "))
    assert "2,000" in submitted


def test_a_slow_step_is_compared_with_the_median() -> None:
    model = make_model(
        *[event for number in range(2, 30) for event in order_events(number)], *RETRIED
    )
    text = render_lines(model, model.orders[order_id(1)])
    assert next(line for line in text if line.startswith("◕ submitted  ")).split()[-1] == "10"


def test_a_retry_has_its_reason_and_its_wait() -> None:
    text = render_events(*RETRIED)
    assert "  slippage, waits 0.48s" in text
    assert any(line.startswith("↻ attempt 2") for line in text)
    assert "LAST ATTEMPT  slippage" in text


def test_both_quotes_are_shown_with_the_winner_marked() -> None:
    text = render_events(*RETRIED)
    assert "▸ meteora     101.0000   0.20%   0.02%" in text
    assert "  raydium     100.0000   0.30%   0.01%" in text
    assert "  meteora pays 100.0 bps more" in text
    assert "  at least 100.5 USDC, as asked" in text


def test_an_executed_order_says_how_it_compares_with_its_quote() -> None:
    text = render_events(*order_events(1))
    assert "EXECUTED  100.9 USDC on meteora" in text
    assert "  at 100.9000 USDC per SOL" in text
    assert "  9.9 bps worse than its quote" in text


def test_the_fees_of_an_order_are_shown() -> None:
    [*earlier, retry, building, submitted] = map(WireEvent.copy, RETRIED)
    fees: WireEvent = {**building, "venueFees": [{"token": "SOL", "amount": "0.002"}]}
    confirmed = order_event(1, 8, "confirmed", 2_400, attempt=2, networkFeeLamports=5_120)
    retry["networkFeeLamports"] = 5_000
    text = render_events(*earlier, retry, fees, submitted)
    assert text[text.index("FEES") + 1] == "  0.000005 SOL to the network"
    events = [*earlier, retry, fees, submitted, confirmed]
    text = render_events(*events)
    start = text.index("FEES") + 1
    assert text[start : start + 2] == [
        "  0.002 SOL to meteora",
        "  0.00001012 SOL to the network",
    ]
    order = make_model(*events).orders[order_id(1)]
    order.replace_history(events)
    assert order.network_fee_lamports == 10_120
    order.load_stored({**stored_order(events), "networkFeeLamports": 20_000})
    order.replace_history(events)
    assert order.network_fee_lamports == 20_000


def test_a_failure_says_what_it_means_and_what_to_do() -> None:
    text = render_events(*order_events(1, ("pending", "routing", "failed")))
    assert "ERROR  no_pool" in text
    assert "  no venue trades this pair" in text
    assert "  no pool of these tokens" in text
    assert any(line.startswith("  → choose another pair") for line in text)


def test_an_outage_that_an_order_waits_out_is_told_until_it_goes_on() -> None:
    model = make_model(*order_events(1, CONFIRMED[:3]))
    order, since = model.orders[order_id(1)], "2026-01-01T12:03:04Z"
    for code, words in (("signer_unavailable", "the signer does not answer"), ("odd", "odd")):
        record: WireWaiting = {"orderId": order.id, "outage": {"code": code, "since": since}}
        model.apply(Waiting([record]), START_MS)
        assert f"OUTAGE    {words}, since 12:03:04" in render_lines(model, order)
    told = stored_order(order_events(1, CONFIRMED[:3]))
    order.load_stored({**told, "outage": record["outage"]})
    assert order.outage is not None
    model.apply(Events(order_events(1, CONFIRMED[:4])[3:]), START_MS)
    assert "OUTAGE" not in "".join(render_lines(model, order))


def test_an_outage_of_before_the_last_event_is_not_told() -> None:
    model = make_model(*order_events(1, CONFIRMED[:4]))
    outage: WireOutage = {"code": "signer_unavailable", "since": "2026-01-01T12:03:04Z"}
    record: WireWaiting = {"orderId": order_id(1), "seq": 3, "outage": outage}
    model.apply(Waiting([record]), START_MS)
    assert model.orders[order_id(1)].outage is None
    model.apply(Waiting([{**record, "seq": 4}]), START_MS)
    assert model.orders[order_id(1)].outage is not None


@pytest.mark.parametrize(
    "outage",
    [
        *(None, {}, "x", [], {"code": 7, "since": "2026-01-01T12:03:04Z"}, {"code": "x"}),
        *({"code": "x", "since": since} for since in ("", None, 7, "0001-01-01T00:00:00Z")),
        {"code": "", "since": "2026-01-01T12:03:04Z"},
    ],
)
def test_an_outage_of_another_shape_is_none(outage: Any) -> None:
    assert Outage.read({"outage": outage}) is None


def test_the_identifiers_of_an_order_are_shown() -> None:
    text = render_events(*RETRIED)
    assert "YOURS  mine" in text
    assert "BATCH  #3fa9  / batch:3fa9" in text
    assert f"ID {order_id(1)}" in text


def test_a_stored_order_waits_for_its_steps() -> None:
    model = make_model()
    model.apply(Page([stored_order(order_events(1))], is_last=True, is_all=True), START_MS)
    text = render_lines(model, model.orders[order_id(1)])
    assert "the steps of this order are being loaded" in text
    assert "EXECUTED  100.9 USDC on meteora" in text


@pytest.mark.parametrize("cells", [1, 20, 40, 60, 118])
@pytest.mark.parametrize("symbols", [UNICODE, ASCII], ids=["shapes", "ascii"])
def test_every_order_of_the_recording_can_be_shown(cells: int, symbols: Symbols) -> None:
    model = Model()
    for recorded in load_recorded_messages():
        model.apply(recorded.message, recorded.at_ms)
    for order in model.sorted_orders:
        text = render_lines(model, order, cells=cells, symbols=symbols)
        assert order.id in "\n".join(text)
        if symbols.is_ascii:
            assert all(line.isascii() for line in text)
        if cells >= 60 and not order.failure:
            assert max(map(len, text)) <= max(cells, 100)
