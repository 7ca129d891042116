"""Positions: what is realized and what is open always add up to what the fills have brought."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.accounting.fills import FillRecord
from backend.accounting.pairs import find_side, name_pair, parse_pair
from backend.accounting.positions import (
    CostMethod,
    PositionBook,
    TooManyLots,
    decode_book,
    encode_book,
)
from backend.domain.amounts import Token
from backend.domain.tokens import BONK, SOL, USDC

START = datetime(2026, 1, 1, tzinfo=UTC)
TOKENS = (SOL, USDC, BONK)
AMOUNTS = st.one_of(st.integers(1, 20), st.integers(1, 2**64 - 1))


def make_fill(
    token_in: Token,
    amount_in: int,
    token_out: Token,
    amount_out: int | None,
    *,
    value: int | None = None,
    residuals: tuple[tuple[Token, int], ...] = (),
    number: int = 0,
    **changes: object,
) -> FillRecord:
    at = START + timedelta(minutes=number)
    fill = FillRecord(
        order_id=UUID(int=number),
        **dict.fromkeys(("client_order_id", "batch_id", "parent_id", "second_quote", "fees")),
        type="market",
        token_in=token_in,
        token_out=token_out,
        amount_in=amount_in,
        amount_out=amount_out,
        price="1",
        dex="raydium",
        program="cpmm",
        pools=("pool",),
        quoted_out=amount_out,
        venue_fees=(),
        residuals=residuals,
        network_fee_lamports=5_000,
        route_value=value,
        slot=number,
        signature=f"signature-{number}",
        wallet="wallet",
        accepted_at=at,
        submitted_at=at,
        confirmed_at=at,
        at=at,
    )
    return fill._replace(**changes)  # type: ignore[arg-type]


@st.composite
def draw_fills(draw: st.DrawFn) -> list[FillRecord]:
    fills = []
    for number in range(draw(st.integers(1, 40))):
        token_in, token_out = draw(st.permutations(TOKENS))[:2]
        value, residuals = None, []
        if USDC not in (token_in, token_out):
            value = draw(st.none() | AMOUNTS)
            others = [USDC] if value is not None else []
        else:
            others = [each for each in TOKENS if each not in (token_in, token_out)]
        residuals = [(each, draw(AMOUNTS)) for each in others if draw(st.booleans())]
        fills.append(
            make_fill(
                token_in,
                draw(AMOUNTS),
                token_out,
                draw(AMOUNTS),
                value=value,
                residuals=tuple(residuals),
                number=number,
            )
        )
    return fills


@given(draw_fills(), st.sampled_from(CostMethod))
def test_what_is_realized_and_open_is_what_the_fills_have_brought(
    fills: list[FillRecord], method: CostMethod
) -> None:
    book = PositionBook("USDC", method)
    realized = sum(book.book(fill) for fill in fills)
    others = [each for name, each in book.positions.items() if name != "USDC"]
    assert realized == sum(each.realized for each in others)
    assert realized - sum(each.cost for each in others) == book.reference_flow
    for token in (SOL, BONK):
        received = sum(f.amount_out or 0 for f in fills if f.token_out == token)
        received += sum(n for f in fills for each, n in f.residuals if each == token)
        paid = sum(f.amount_in for f in fills if f.token_in == token)
        assert book.find(token.symbol).amount == received - paid


@given(draw_fills())
def test_a_stored_book_goes_on_as_the_one_that_it_was_made_of(fills: list[FillRecord]) -> None:
    whole, part = PositionBook("USDC"), PositionBook("USDC")
    for fill in fills:
        whole.book(fill)
        part.book(fill)
        part = decode_book("USDC", CostMethod.AVERAGE, json.loads(json.dumps(encode_book(part))))
    assert encode_book(part) == encode_book(whole)
    assert part.positions == whole.positions


def test_average_cost_and_first_in_first_out() -> None:
    fills = [
        make_fill(USDC, 100, SOL, 10),
        make_fill(USDC, 200, SOL, 10),
        make_fill(SOL, 10, USDC, 190),
    ]
    realized, cost = {}, {}
    for method in CostMethod:
        book = PositionBook("USDC", method)
        realized[method] = [book.book(fill) for fill in fills]
        cost[method] = book.find("SOL").cost
    assert realized == {CostMethod.AVERAGE: [0, 0, 40], CostMethod.FIFO: [0, 0, 90]}
    assert cost == {CostMethod.AVERAGE: 150, CostMethod.FIFO: 200}


def test_what_was_deposited_is_sold_into_a_position_below_zero_and_bought_back() -> None:
    book = PositionBook("USDC")
    assert book.book(make_fill(SOL, 10, USDC, 1_000)) == 0
    assert (book.find("SOL").amount, book.find("SOL").cost) == (-10, -1_000)
    assert book.book(make_fill(USDC, 1_350, SOL, 15)) == 1_000 - 900
    assert (book.find("SOL").amount, book.find("SOL").cost) == (5, 450)


def test_a_route_through_the_reference_token_is_worth_what_its_last_hop_took() -> None:
    book = PositionBook("USDC")
    book.book(make_fill(USDC, 900, SOL, 10))
    swap = make_fill(SOL, 10, BONK, 7, value=1_000, residuals=((USDC, 3),))
    assert book.book(swap) == 1_003 - 900
    assert (book.find("BONK").cost, book.reference_flow) == (1_000, 3 - 900)


def test_a_swap_without_a_known_value_carries_the_cost_over() -> None:
    book = PositionBook("USDC")
    book.book(make_fill(USDC, 900, SOL, 10))
    assert book.book(make_fill(SOL, 4, BONK, 7)) == 0
    assert (book.find("SOL").cost, book.find("BONK").cost) == (540, 360)
    assert book.find("BONK").unvalued_count == 1


def test_an_unknown_amount_is_booked_once_it_is_known() -> None:
    book = PositionBook("USDC")
    late = make_fill(USDC, 900, SOL, None, network_fee_lamports=None)
    assert book.book(late) == 0
    assert book.positions == {}
    book.book(late._replace(amount_out=9))
    assert (book.find("SOL").amount, book.unknown_fee_count) == (9, 1)


def test_more_lots_than_are_kept_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.accounting.positions.LOTS_MAX", 2)
    book = PositionBook("USDC", CostMethod.FIFO)
    for _ in range(2):
        book.book(make_fill(USDC, 1, SOL, 1))
    with pytest.raises(TooManyLots):
        book.book(make_fill(USDC, 1, SOL, 1))


def test_a_pair_is_the_same_in_both_directions() -> None:
    assert name_pair("USDC", "SOL") == name_pair("SOL", "USDC") == ("SOL", "USDC")
    assert name_pair("BONK", "SOL") == ("BONK", "SOL")
    assert name_pair("JUP", "BONK") == name_pair("BONK", "JUP") == ("BONK", "JUP")
    assert (find_side("USDC", "SOL"), find_side("SOL", "USDC")) == ("buy", "sell")
    for text in ("SOL", "SOL/", "/SOL", "SOL/SOL", "A/B/C"):
        with pytest.raises(ValueError, match="two tokens"):
            parse_pair(text)
