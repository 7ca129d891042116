"""The guards of sniper orders: each fails for its own reason alone, and names its field."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.domain.amounts import BPS, U64_MAX
from backend.domain.conditions import Launch
from backend.domain.errors import InvalidInput
from backend.domain.prices import PriceOf
from backend.domain.quotes import E9, Dex
from backend.domain.tokens import SOL
from backend.domain.waiting.guards import (
    LOOKS_MAX,
    POOL_AGE_MAX_S,
    Guards,
    PoolFacts,
    check,
    guards_to_json,
    parse_guards,
)
from backend.store.waiting.condition_rows import decode_condition, encode_condition

BPS_VALUES = st.integers(0, BPS)
GUARDS = st.builds(
    Guards,
    min_liquidity=st.none() | st.integers(1, U64_MAX),
    mint_authority_revoked=st.booleans(),
    freeze_authority_none=st.booleans(),
    max_transfer_fee_bps=st.none() | BPS_VALUES,
    max_fee_bps=st.none() | BPS_VALUES,
    lp_locked_min_bps=st.none() | BPS_VALUES,
    max_pool_age_s=st.none() | st.integers(1, POOL_AGE_MAX_S),
    dexes=st.none() | st.frozensets(st.sampled_from(Dex), min_size=1),
    looks=st.integers(1, LOOKS_MAX),
)
FACTS = st.builds(
    PoolFacts,
    dex=st.sampled_from(Dex),
    token_in=st.just(SOL),
    fee_e9=st.integers(0, E9),
    liquidity=st.integers(0, U64_MAX),
    mint_authority=st.none() | st.just("Minter"),
    freeze_authority=st.none() | st.just("Freezer"),
    transfer_fee_bps=BPS_VALUES,
    lp_locked_bps=st.none() | BPS_VALUES,
    age_s=st.none() | st.integers(0, 2 * POOL_AGE_MAX_S),
)
GOOD = PoolFacts(Dex.RAYDIUM, SOL, 0, U64_MAX, None, None, 0, BPS, 0)


@given(FACTS)
def test_no_guards_refuse_nothing(facts: PoolFacts) -> None:
    assert check(Guards(), facts) == []


@given(GUARDS)
def test_a_pool_without_fault_passes_all_guards_that_permit_its_venue(guards: Guards) -> None:
    guards = replace(guards, dexes=None)
    assert check(guards, GOOD) == []


@given(GUARDS, FACTS)
def test_a_reason_is_given_exactly_for_each_guard_that_fails_alone(
    guards: Guards, facts: PoolFacts
) -> None:
    alone = [
        reason
        for name in Guards.__slots__
        for reason in check(Guards(**{name: getattr(guards, name)}), facts)
    ]
    assert sorted(alone) == sorted(check(guards, facts))


@given(BPS_VALUES, st.integers(0, E9))
def test_a_rate_passes_up_to_its_cap(cap_bps: int, rate_e9: int) -> None:
    is_within = rate_e9 * BPS <= cap_bps * E9
    facts = replace(GOOD, fee_e9=rate_e9)
    assert (check(Guards(max_fee_bps=cap_bps), facts) == []) is is_within


@given(GUARDS)
def test_guards_survive_their_json(guards: Guards) -> None:
    assert parse_guards(guards_to_json(guards, SOL), SOL) == guards


@pytest.mark.parametrize(
    ("guards", "facts", "reason"),
    [
        (
            Guards(max_fee_bps=100),
            replace(GOOD, fee_e9=500_000_000),
            "the pool's fee of 50 % is above the cap of 1 %",
        ),
        (
            Guards(max_fee_bps=100),
            replace(GOOD, fee_e9=10_000_001),
            "the pool's fee of 1.01 % is above the cap of 1 %",
        ),
        (
            Guards(min_liquidity=10**10),
            replace(GOOD, liquidity=1_500_000_000),
            "the pool holds 1.5 SOL, less than the minimum of 10",
        ),
        (
            Guards(mint_authority_revoked=True),
            replace(GOOD, mint_authority="Minter"),
            "Minter can still mint more of the token",
        ),
        (
            Guards(freeze_authority_none=True),
            replace(GOOD, freeze_authority="Freezer"),
            "Freezer can freeze accounts of the token",
        ),
        (
            Guards(max_transfer_fee_bps=0),
            replace(GOOD, transfer_fee_bps=1),
            "the transfer fee of 0.01 % is above the cap of 0 %",
        ),
        (
            Guards(lp_locked_min_bps=9_900),
            replace(GOOD, lp_locked_bps=5_000),
            "50 % of the liquidity is locked, less than the minimum of 99 %",
        ),
        (
            Guards(lp_locked_min_bps=0),
            replace(GOOD, lp_locked_bps=None),
            "how much of the liquidity is locked is not known",
        ),
        (
            Guards(max_pool_age_s=60),
            replace(GOOD, age_s=61),
            "the pool opened 61 s ago, more than 60 s",
        ),
        (
            Guards(max_pool_age_s=60),
            replace(GOOD, age_s=None),
            "the age of the pool is not known",
        ),
        (
            Guards(dexes=frozenset({Dex.METEORA})),
            GOOD,
            "the pool is on raydium, which is not one of meteora",
        ),
    ],
)
def test_a_reason_is_a_sentence_with_the_figures(
    guards: Guards, facts: PoolFacts, reason: str
) -> None:
    assert check(guards, facts) == [reason]


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("maxFeeBps", -1, "must be a whole number from 0 to 10000"),
        ("maxFeeBps", 10_001, "must be a whole number from 0 to 10000"),
        ("maxFeeBps", True, "must be a whole number from 0 to 10000"),
        ("maxFeeBps", "5", "must be a whole number from 0 to 10000"),
        ("looks", 0, "must be a whole number from 1 to 10"),
        ("looks", 11, "must be a whole number from 1 to 10"),
        ("maxPoolAgeS", 0, "must be a whole number from 1 to 31536000"),
        ("mintAuthorityRevoked", 1, "must be true or false"),
        ("minLiquidity", "0", "must be greater than 0"),
        ("minLiquidity", "0.0000000001", "has more than 9 decimals"),
        ("minLiquidity", [], "must be an amount of SOL, as text"),
        ("dexes", [], "must be a list of at least one of raydium, meteora"),
        ("dexes", "raydium", "must be a list of at least one of raydium, meteora"),
        ("dexes", ["orca"], "'orca' is none of raydium, meteora"),
        ("dexes", [{}], "'{}' is none of raydium, meteora"),
    ],
)
def test_a_bad_guard_is_named(name: str, value: object, reason: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        parse_guards({name: value}, SOL)
    assert (refusal.value.field, refusal.value.reason) == (name, reason)


def test_an_unknown_guard_is_refused_with_a_suggestion() -> None:
    with pytest.raises(InvalidInput, match="maxFeeBps") as refusal:
        parse_guards({"maxFeeBp": 1}, SOL)
    assert refusal.value.field == "maxFeeBp"


@given(GUARDS)
def test_guards_survive_their_row(guards: Guards) -> None:
    text = encode_condition(Launch(guards), PriceOf.TOKEN_IN)
    assert decode_condition(text) == (Launch(guards), PriceOf.TOKEN_IN)
