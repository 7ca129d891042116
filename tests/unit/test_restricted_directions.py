"""Which pools a restricted direction has, whether these are all, and when it is judged."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

import pytest

from backend.domain.route_constraints import RouteConstraints
from backend.domain.tokens import SOL, USDC
from backend.triggers.directions.direction import Direction, Directions
from backend.triggers.directions.turns import DirectionTurns
from tests import pools
from tests.unit.test_restricted_orders import ASKED, ERRORS, build_read

READ, UNREADABLE, CLOSED, ABSENT = ((100_000, each) for each in ("read", *ERRORS))
METEORA, CLMM_ONLY = ASKED[5], ASKED[8]


def test_a_pool_that_is_not_asked_for_makes_no_market_incomplete() -> None:
    read = build_read(1, [UNREADABLE, READ, READ, CLOSED])
    assert read.is_complete(METEORA)
    assert not read.is_complete(ASKED[2])
    assert not read.is_complete(None)
    assert read.is_complete(ASKED[4])


@pytest.mark.parametrize(
    ("path", "asked", "is_settled", "has_none"),
    [
        ([READ] * 4, CLMM_ONLY, True, True),
        ([READ] * 4, CLMM_ONLY, False, False),
        ([READ] * 4, METEORA, True, False),
        ([READ, READ, ABSENT, ABSENT], METEORA, True, True),
        ([READ, READ, ABSENT, CLOSED], METEORA, True, False),
        ([READ, READ, ABSENT, UNREADABLE], METEORA, True, False),
        ([UNREADABLE, CLOSED, ABSENT, ABSENT], METEORA, True, True),
        ([ABSENT] * 4, None, False, False),
        ([ABSENT, ABSENT, ABSENT, CLOSED], None, True, False),
    ],
)
def test_an_order_without_a_pool_is_told_from_one_whose_pools_are_not_known(
    path: list[tuple[int, str]],
    asked: RouteConstraints | None,
    is_settled: bool,
    has_none: bool,
) -> None:
    assert build_read(1, path, is_settled=is_settled).has_none(asked) == has_none


def list_restricted(count: int) -> Iterator[Direction]:
    directions = Directions()
    whole = directions.find(SOL, USDC)
    yield whole
    for number in range(count):
        address = str(pools.SOL)[:-4] + f"{number:04}".replace("0", "x")
        yield directions.restrict(whole, RouteConstraints(pools=(address,)))


@pytest.mark.parametrize("count", [0, 3, 7, 20])
def test_above_the_bound_restricted_directions_are_judged_in_turn(count: int) -> None:
    whole, *restricted = list_restricted(count)
    turns, most = DirectionTurns(restricted_max=7), ceil(max(count, 1) / 7)
    for _ in range(3):
        judged: list[Direction] = []
        for _ in range(most):
            taken = turns.take([whole, *restricted])
            assert taken[0] is whole
            assert len(taken) <= 8
            judged += taken[1:]
        assert set(judged) == set(restricted)
    gone = restricted[::2]
    kept = [each for each in restricted if each not in gone]
    assert set(turns.take([whole, *kept])) <= {whole, *kept}
