"""The model: stored orders and live events are merged without gaps, and counted once."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tests.tui.wire import (
    CONFIRMED,
    START_MS,
    connection_messages,
    order_event,
    order_events,
    order_id,
    stored_order,
    timestamp,
)
from tui.model.connection_state import ConnectionStatus
from tui.model.messages import Events, Heartbeat, History, Lost, Message, Page, Totals
from tui.model.model import Model
from tui.model.wire import WireEvent, WireStats

FAILED = ("pending", "routing", "failed")


def make_model(*messages: Message, orders_max: int = 50_000) -> Model:
    model = Model(orders_max=orders_max)
    for recorded in connection_messages():
        model.apply(recorded.message, recorded.at_ms)
    for message in messages:
        model.apply(message, START_MS)
    return model


def make_page(*histories: list[WireEvent], is_last: bool = True, is_all: bool = True) -> Page:
    return Page([stored_order(events) for events in reversed(histories)], is_last, is_all)


def recount_statuses(model: Model) -> Counter[str]:
    return Counter(order.status for order in model.sorted_orders)


def test_an_event_that_is_known_changes_nothing() -> None:
    model = make_model(make_page(), Events(order_events(1)))
    order = model.orders[order_id(1)]
    version = order.version
    model.apply(Events(order_events(1)), START_MS)
    assert (order.version, model.counters.by_status["confirmed"]) == (version, 1)


def test_events_wait_for_the_page_that_contains_their_order() -> None:
    events = order_events(1)
    model = make_model(Events(events[3:]))
    assert model.orders == {}
    model.apply(make_page(events[:3]), START_MS)
    order = model.orders[order_id(1)]
    assert (order.status, order.seq, order.amount_out) == ("confirmed", 5, "100.9")
    assert model.connection.status is ConnectionStatus.LIVE


def test_a_page_that_is_older_than_live_events_changes_nothing() -> None:
    model = make_model(Events(order_events(1)))
    model.apply(make_page(order_events(1)[:2]), START_MS)
    assert model.orders[order_id(1)].status == "confirmed"
    assert model.counters.by_status["confirmed"] == 1


@given(st.data())
def test_pages_and_events_in_any_order_give_the_same_orders(data: st.DataObject) -> None:
    histories = [
        order_events(number, data.draw(st.sampled_from((CONFIRMED, FAILED, CONFIRMED[:3]))))
        for number in range(1, 6)
    ]
    early_counts = [data.draw(st.integers(1, len(events))) for events in histories]
    page_counts = [
        data.draw(st.integers(count, len(events)))
        for count, events in zip(early_counts, histories, strict=True)
    ]
    later_events = [events[count:] for count, events in zip(early_counts, histories, strict=True)]
    rest: list[WireEvent] = []
    while any(later_events):
        queue = data.draw(st.sampled_from([queue for queue in later_events if queue]))
        rest.append(queue.pop(0))
    split = data.draw(st.integers(0, len(rest)))
    paged = make_page(
        *[events[:count] for events, count in zip(histories, page_counts, strict=True)]
    )
    model = make_model(Events(rest[:split]), paged, Events(rest[split:]))
    # The page is ahead of the stream at that point: the later events of the stream are known.
    for events in histories:
        order = model.orders[events[0]["orderId"]]
        assert (order.seq, order.status) == (events[-1]["seq"], events[-1]["status"])
    assert +Counter(model.counters.by_status) == recount_statuses(model)
    assert [order.id for order in model.sorted_orders] == [
        order_id(number) for number in range(1, 6)
    ]


def test_orders_of_the_same_time_are_sorted_by_id() -> None:
    model = make_model(make_page(), Events([*order_events(2), *order_events(1), *order_events(3)]))
    assert [order.id for order in model.sorted_orders] == [order_id(n) for n in (1, 2, 3)]
    assert model.take_changes().is_reloaded


def test_changes_are_taken_once() -> None:
    model = make_model(make_page())
    model.take_changes()
    model.apply(Events(order_events(1)), START_MS)
    changes = model.take_changes()
    assert [order.id for order in changes.new_orders] == [order_id(1)]
    assert not model.take_changes()


def test_counts_include_evicted_orders() -> None:
    histories = [order_events(number) for number in range(1, 2_001)]
    model = make_model(make_page(), orders_max=500)
    for events in histories:
        model.apply(Events(events), START_MS)
    assert 500 <= len(model.orders) <= 1_000
    assert model.counters.by_status["confirmed"] == 2_000
    assert model.sorted_orders[-1].id == order_id(2_000)


def test_open_orders_are_never_evicted() -> None:
    model = make_model(make_page(), orders_max=500)
    for number in range(1, 2_001):
        model.apply(
            Events(order_events(number, CONFIRMED if number % 2 else CONFIRMED[:2])), START_MS
        )
    assert recount_statuses(model)["routing"] == 1_000


def test_orders_that_were_never_loaded_are_counted_by_the_server() -> None:
    model = make_model(make_page(order_events(9), is_all=False))
    by_status = {"confirmed": 700, "failed": 30}
    stats: WireStats = {
        "at": timestamp(0),
        "cursor": "c",
        "total": 730,
        "open": 0,
        "byStatus": by_status,
    }
    model.apply(Totals(stats), START_MS)
    assert (model.counters.by_status["confirmed"], model.counters.by_status["failed"]) == (700, 30)
    model.apply(Events(order_events(10)), START_MS)
    assert model.counters.by_status["confirmed"] == 701


def test_the_first_event_of_an_order_has_its_terms_and_the_last_its_outcome() -> None:
    model = make_model(
        make_page(), Events(order_events(1, batchId="batch-3fa9", clientOrderId="mine"))
    )
    order = model.orders[order_id(1)]
    assert (order.pair.name, order.pair.side) == ("SOL/USDC", "sell")
    assert (order.batch_id, order.client_order_id) == ("batch-3fa9", "mine")
    assert (order.dex, order.route_min_out, order.tx_hash) == ("meteora", "100.5", "signature")
    assert order.duration_ms(0) == 400
    assert order.improvement_bps is not None
    assert f"{order.improvement_bps:.1f}" == "-9.9"
    assert order.quote_gap_bps == 100


def test_a_stored_order_equals_the_order_built_from_its_events() -> None:
    events = order_events(1, batchId="b")
    live = make_model(make_page(), Events(events)).orders[order_id(1)]
    read = make_model(make_page(events)).orders[order_id(1)]
    for name in (
        "status",
        "dex",
        "quotes",
        "route_min_out",
        "amount_out",
        "price",
        "improvement_bps",
        "quote_gap_bps",
    ):
        assert getattr(read, name) == getattr(live, name), name
    assert (read.has_full_history, live.has_full_history) == (False, True)


def test_a_history_fills_in_the_steps_of_a_stored_order() -> None:
    events = order_events(1, FAILED)
    model = make_model(make_page(events), History(order_id(1), events))
    order = model.orders[order_id(1)]
    assert [step.status for step in order.steps] == list(FAILED)
    assert order.failure is not None
    assert order.failure.code == "no_pool"
    assert model.counters.by_status["failed"] == 1


def test_a_retry_has_its_reason() -> None:
    events = [
        *order_events(1, CONFIRMED[:4]),
        order_event(
            1, 5, "routing", 500, attempt=2, code="slippage", reason="it moved", waitMs=480
        ),
        order_event(1, 6, "building", 600, attempt=2),
    ]
    order = make_model(make_page(), Events(events)).orders[order_id(1)]
    steps = list(order.steps)
    assert (steps[4].attempt, steps[4].failure) == (2, ("slippage", "it moved", 480))
    assert order.failure == ("slippage", "it moved", 480)


def test_an_unknown_status_is_ignored() -> None:
    model = make_model(
        make_page(), Events([*order_events(1, CONFIRMED[:2]), order_event(1, 3, "paused", 300)])
    )
    assert model.orders[order_id(1)].status == "routing"


def test_after_a_reconnect_the_log_has_the_number_of_replayed_events() -> None:
    model = make_model(make_page(), Events(order_events(1, CONFIRMED[:2])))
    model.apply(Lost("it closed", 250), START_MS + 1_000)
    for recorded in connection_messages(5_000, is_fresh=False):
        model.apply(recorded.message, recorded.at_ms)
    model.apply(Events(order_events(1)[2:]), START_MS + 5_010)
    model.apply(Heartbeat(timestamp(9_000)), START_MS + 9_000)
    assert model.log.entries[-1].text == "resumed after 4.00s, 3 events replayed"
    assert model.orders[order_id(1)].status == "confirmed"


def test_another_journal_is_loaded_again() -> None:
    model = make_model(make_page(), Events(order_events(1)))
    model.apply(Lost("it closed", 250), START_MS)
    for recorded in connection_messages(5_000, was_reset=True):
        model.apply(recorded.message, recorded.at_ms)
    assert (model.orders, sum(model.counters.by_status.values())) == ({}, 0)
    model.apply(make_page(order_events(7)), START_MS + 5_000)
    assert list(model.orders) == [order_id(7)]


def test_a_frozen_order_keeps_its_displayed_state() -> None:
    model = make_model(make_page(), Events(order_events(1, CONFIRMED[:3])))
    order = model.orders[order_id(1)]
    model.freeze()
    model.apply(Events(order_events(1)[3:]), START_MS)
    assert (order.status, model.get_displayed(order).status) == ("confirmed", "building")
    assert [step.status for step in model.get_displayed(order).steps] == list(CONFIRMED[:3])
    model.unfreeze()
    assert model.get_displayed(order) is order


def test_savings_are_the_advantage_over_the_other_venue_as_a_part_of_the_volume() -> None:
    model = make_model(make_page(), Events(order_events(1)), Events(order_events(2)))
    savings = model.counters.savings
    assert (savings.dollars, savings.volume) == (Decimal(2), Decimal("201.8"))
    assert savings.rate_bps == savings.dollars / savings.volume * 10_000
