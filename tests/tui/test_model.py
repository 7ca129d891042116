"""The model: stored orders and live transitions meet without a gap, and are counted once."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tests.tui.wire import BEGAN_MS, CONFIRMED, at, event, hello, life, order_id, stored
from tui.model.connection_state import State
from tui.model.messages import (
    Events,
    Heartbeat,
    History,
    Lost,
    Message,
    Page,
    Totals,
    WireEvent,
    WireStats,
)
from tui.model.model import Model

FAILED = ("pending", "routing", "failed")


def model(*messages: Message, orders_max: int = 50_000) -> Model:
    made = Model(orders_max=orders_max)
    for recorded in hello():
        made.apply(recorded.message, recorded.at_ms)
    for message in messages:
        made.apply(message, BEGAN_MS)
    return made


def page(*lives: list[WireEvent], is_last: bool = True, is_all: bool = True) -> Page:
    return Page([stored(events) for events in reversed(lives)], is_last, is_all)


def recount(made: Model) -> Counter[str]:
    return Counter(order.status for order in made.ordered)


def test_a_transition_that_is_known_changes_nothing() -> None:
    made = model(page(), Events(life(1)))
    order = made.orders[order_id(1)]
    version = order.version
    made.apply(Events(life(1)), BEGAN_MS)
    assert (order.version, made.tally.counts["confirmed"]) == (version, 1)


def test_transitions_wait_for_the_page_that_shows_their_order() -> None:
    whole = life(1)
    made = model(Events(whole[3:]))
    assert made.orders == {}
    made.apply(page(whole[:3]), BEGAN_MS)
    order = made.orders[order_id(1)]
    assert (order.status, order.seq, order.amount_out) == ("confirmed", 5, "100.9")
    assert made.link.state is State.LIVE


def test_a_page_that_is_older_than_what_came_live_changes_nothing() -> None:
    made = model(Events(life(1)))
    made.apply(page(life(1)[:2]), BEGAN_MS)
    assert made.orders[order_id(1)].status == "confirmed"
    assert made.tally.counts["confirmed"] == 1


@given(st.data())
def test_pages_and_transitions_in_any_order_give_the_same_orders(data: st.DataObject) -> None:
    lives = [
        life(number, data.draw(st.sampled_from((CONFIRMED, FAILED, CONFIRMED[:3]))))
        for number in range(1, 6)
    ]
    heads = [data.draw(st.integers(1, len(events))) for events in lives]
    shown = [
        data.draw(st.integers(head, len(events))) for head, events in zip(heads, lives, strict=True)
    ]
    late = [events[head:] for head, events in zip(heads, lives, strict=True)]
    rest: list[WireEvent] = []
    while any(late):
        queue = data.draw(st.sampled_from([queue for queue in late if queue]))
        rest.append(queue.pop(0))
    split = data.draw(st.integers(0, len(rest)))
    paged = page(*[events[:seen] for events, seen in zip(lives, shown, strict=True)])
    made = model(Events(rest[:split]), paged, Events(rest[split:]))
    # The page shows more than the stream told until then: what the stream tells later is known.
    for events in lives:
        order = made.orders[events[0]["orderId"]]
        assert (order.seq, order.status) == (events[-1]["seq"], events[-1]["status"])
    assert +Counter(made.tally.counts) == recount(made)
    assert [order.id for order in made.ordered] == [order_id(number) for number in range(1, 6)]


def test_orders_of_one_moment_are_kept_in_the_order_of_their_ids() -> None:
    made = model(page(), Events([*life(2), *life(1), *life(3)]))
    assert [order.id for order in made.ordered] == [order_id(n) for n in (1, 2, 3)]
    assert made.changes().is_reloaded


def test_changes_are_given_once() -> None:
    made = model(page())
    made.changes()
    made.apply(Events(life(1)), BEGAN_MS)
    changes = made.changes()
    assert [order.id for order in changes.added] == [order_id(1)]
    assert not made.changes()


def test_counts_include_orders_that_are_too_old_to_be_kept() -> None:
    lives = [life(number) for number in range(1, 2_001)]
    made = model(page(), orders_max=500)
    for events in lives:
        made.apply(Events(events), BEGAN_MS)
    assert 500 <= len(made.orders) <= 1_000
    assert made.tally.counts["confirmed"] == 2_000
    assert made.ordered[-1].id == order_id(2_000)


def test_open_orders_are_never_dropped() -> None:
    made = model(page(), orders_max=500)
    for number in range(1, 2_001):
        made.apply(Events(life(number, CONFIRMED if number % 2 else CONFIRMED[:2])), BEGAN_MS)
    assert recount(made)["routing"] == 1_000


def test_the_server_counts_what_was_never_loaded() -> None:
    made = model(page(life(9), is_all=False))
    by_status = {"confirmed": 700, "failed": 30}
    stats: WireStats = {
        "at": at(0),
        "cursor": "c",
        "total": 730,
        "open": 0,
        "byStatus": by_status,
    }
    made.apply(Totals(stats), BEGAN_MS)
    assert (made.tally.counts["confirmed"], made.tally.counts["failed"]) == (700, 30)
    made.apply(Events(life(10)), BEGAN_MS)
    assert made.tally.counts["confirmed"] == 701


def test_the_first_transitions_of_an_order_tell_its_terms_and_the_last_its_outcome() -> None:
    made = model(page(), Events(life(1, batchId="batch-3fa9", clientOrderId="mine")))
    order = made.orders[order_id(1)]
    assert (order.pair.name, order.pair.side) == ("SOL/USDC", "sell")
    assert (order.batch_id, order.client_order_id) == ("batch-3fa9", "mine")
    assert (order.dex, order.floor_out, order.tx_hash) == ("meteora", "100.5", "signature")
    assert order.took_ms(0) == 400
    assert order.slip_bps is not None
    assert f"{order.slip_bps:.1f}" == "-9.9"
    assert order.gap_bps == 100


def test_a_stored_order_has_what_its_transitions_told() -> None:
    events = life(1, batchId="b")
    live = model(page(), Events(events)).orders[order_id(1)]
    read = model(page(events)).orders[order_id(1)]
    for name in (
        "status",
        "dex",
        "quotes",
        "floor_out",
        "amount_out",
        "price",
        "slip_bps",
        "gap_bps",
    ):
        assert getattr(read, name) == getattr(live, name), name
    assert (read.is_told, live.is_told) == (False, True)


def test_a_history_fills_in_the_steps_of_a_stored_order() -> None:
    events = life(1, FAILED)
    made = model(page(events), History(order_id(1), events))
    order = made.orders[order_id(1)]
    assert [step.status for step in order.trail] == list(FAILED)
    assert order.trouble is not None
    assert order.trouble.code == "no_pool"
    assert made.tally.counts["failed"] == 1


def test_a_retry_is_told_with_its_reason() -> None:
    events = [
        *life(1, CONFIRMED[:4]),
        event(1, 5, "routing", 500, attempt=2, code="slippage", reason="it moved", waitMs=480),
        event(1, 6, "building", 600, attempt=2),
    ]
    order = model(page(), Events(events)).orders[order_id(1)]
    steps = list(order.trail)
    assert (steps[4].attempt, steps[4].trouble) == (2, ("slippage", "it moved", 480))
    assert order.trouble == ("slippage", "it moved", 480)


def test_a_status_that_is_not_known_is_left_out() -> None:
    made = model(page(), Events([*life(1, CONFIRMED[:2]), event(1, 3, "paused", 300)]))
    assert made.orders[order_id(1)].status == "routing"


def test_after_a_silence_the_log_says_how_much_was_missed() -> None:
    made = model(page(), Events(life(1, CONFIRMED[:2])))
    made.apply(Lost("it closed", 250), BEGAN_MS + 1_000)
    for recorded in hello(5_000, is_fresh=False):
        made.apply(recorded.message, recorded.at_ms)
    made.apply(Events(life(1)[2:]), BEGAN_MS + 5_010)
    made.apply(Heartbeat(at(9_000)), BEGAN_MS + 9_000)
    assert made.log.entries[-1].text == "resumed after 4.00s, 3 events replayed"
    assert made.orders[order_id(1)].status == "confirmed"


def test_another_journal_is_loaded_anew() -> None:
    made = model(page(), Events(life(1)))
    made.apply(Lost("it closed", 250), BEGAN_MS)
    for recorded in hello(5_000, was_reset=True):
        made.apply(recorded.message, recorded.at_ms)
    assert (made.orders, sum(made.tally.counts.values())) == ({}, 0)
    made.apply(page(life(7)), BEGAN_MS + 5_000)
    assert list(made.orders) == [order_id(7)]


def test_what_was_frozen_stays_as_it_was() -> None:
    made = model(page(), Events(life(1, CONFIRMED[:3])))
    order = made.orders[order_id(1)]
    made.freeze()
    made.apply(Events(life(1)[3:]), BEGAN_MS)
    assert (order.status, made.shown(order).status) == ("confirmed", "building")
    assert [step.status for step in made.shown(order).trail] == list(CONFIRMED[:3])
    made.thaw()
    assert made.shown(order) is order


def test_savings_are_what_the_other_venue_would_have_paid_less() -> None:
    made = model(page(), Events(life(1)), Events(life(2)))
    assert made.tally.savings.orders == 2
    assert (made.tally.savings.bps, made.tally.savings.dollars) == (Decimal(100), Decimal(2))
