"""Time in force and expiry in requests: their defaults, and which requests are the same."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backend.api.wire.changes.timer_schema import read_cancel_after
from backend.api.wire.problems import Problem
from backend.api.wire.request_schemas import OrderRequest, read_order
from backend.domain.orders import TimeInForce
from backend.domain.times import TIME_PATTERN, format_time, parse_time
from backend.domain.tokens import SOL, USDC, TokenRegistry
from backend.store.withdrawals.cancel_timers import SECONDS_MAX

TOKENS = TokenRegistry()
ORDER = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": "1.5"}
AT = "2030-01-31T12:00:00Z"
EXPIRY = datetime(2030, 1, 31, 12, tzinfo=UTC)


def read(**fields: object) -> OrderRequest:
    return read_order({**ORDER, **fields}, TOKENS, 50)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, (TimeInForce.GTC, None)),
        ({"timeInForce": None, "expiresAt": None}, (TimeInForce.GTC, None)),
        ({"timeInForce": "GTC"}, (TimeInForce.GTC, None)),
        ({"expiresAt": AT}, (TimeInForce.GTD, EXPIRY)),
        ({"timeInForce": "Gtd", "expiresAt": AT}, (TimeInForce.GTD, EXPIRY)),
        ({"timeInForce": "ioc"}, (TimeInForce.IOC, None)),
        ({"timeInForce": "FOK", "expiresAt": AT}, (TimeInForce.FOK, EXPIRY)),
    ],
)
def test_what_is_left_out_follows_from_the_rest(
    fields: dict[str, object], expected: tuple[TimeInForce, datetime | None]
) -> None:
    request = read(**fields)
    assert (request.time_in_force, request.expires_at) == expected


def test_the_hash_of_a_request_without_them_is_that_of_earlier_versions() -> None:
    canonical = f"market {SOL.mint} {USDC.mint} 1500000000 None None None"
    assert read().request_hash == sha256(canonical.encode()).digest()


@pytest.mark.parametrize(
    ("one", "another"),
    [
        ({}, {"timeInForce": "GTC"}),
        ({"expiresAt": AT}, {"timeInForce": "gtd", "expiresAt": AT}),
        ({"expiresAt": AT}, {"expiresAt": "2030-01-31T13:30:00.000+01:30"}),
        ({"timeInForce": "IOC"}, {"timeInForce": "ioc"}),
    ],
)
def test_notations_of_the_same_are_the_same_request(
    one: dict[str, object], another: dict[str, object]
) -> None:
    assert read(**one).request_hash == read(**another).request_hash


def test_requests_that_differ_are_told_apart() -> None:
    requests = [
        read(),
        read(timeInForce="ioc"),
        read(timeInForce="fok"),
        read(timeInForce="ioc", expiresAt=AT),
        read(expiresAt=AT),
        read(expiresAt="2030-01-31T12:00:00.000001Z"),
        read(maxPriceImpactBps=50),
        read(maxPriceImpactBps=50, timeInForce="ioc"),
    ]
    assert len({request.request_hash for request in requests}) == len(requests)


def test_all_faults_are_told_together() -> None:
    with pytest.raises(Problem) as refused:
        read(timeInForce="day", expiresAt="tomorrow", amount=0)
    fields = {error.field for error in refused.value.errors}
    assert fields == {"timeInForce", "expiresAt", "amount"}


@given(
    st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29)),  # noqa: DTZ001 - a zone is added
    st.integers(-23 * 60, 23 * 60),
)
def test_a_time_is_read_as_it_was_written(at: datetime, minutes: int) -> None:
    aware = at.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert parse_time(aware.isoformat()) == aware
    assert parse_time(format_time(aware)) == aware


@given(st.text(max_size=30).filter(lambda text: not re.fullmatch(TIME_PATTERN, text)))
@example("2030-01-31T12:00:00Z\n")
@example("2030-01-31")
@example("\u0662030-01-31T12:00:00Z")
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a time with its zone"):
        parse_time(text)


@given(st.integers(0, SECONDS_MAX))
def test_a_timer_takes_whole_seconds_up_to_a_day(seconds: int) -> None:
    assert read_cancel_after({"seconds": seconds}) == seconds
