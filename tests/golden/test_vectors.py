"""Every golden vector is reproduced to the last unit.

The vectors have independent sources: the order of operations of Raydium's program, and Meteora's
own library. Each file names its source at its beginning.
"""

from __future__ import annotations

import base64
from typing import TypedDict, cast

import pytest

from backend.venues.meteora.damm_v2.pricing_codec import read_pricing, write_pricing
from backend.venues.raydium.amm_v4 import curve as amm_v4
from backend.venues.raydium.clmm.fees import DynamicFee, FeeOn, FeeTerms
from backend.venues.raydium.clmm.swap import Curve
from backend.venues.raydium.clmm.swap import swap_exact_in as clmm_swap_exact_in
from backend.venues.raydium.clmm.tick_array import Tick
from backend.venues.raydium.cpmm.curve import FeeRates, swap_exact_in, swap_exact_out
from backend.venues.spl import Clock
from tests.golden.vectors import load_vectors
from tests.pools import ListedTicks


class _CpmmInput(TypedDict):
    side: str
    amount: str
    reserve_in: str
    reserve_out: str
    trade_fee_rate: int
    creator_fee_rate: int
    protocol_fee_rate: int
    fund_fee_rate: int
    creator_fee_on_input: bool


class _AmmV4Input(TypedDict):
    side: str
    amount: str
    reserve_in: str
    reserve_out: str


class _ClmmTick(TypedDict):
    tick: int
    net: str
    gross: str
    orders: str
    part: str


class _ClmmInput(TypedDict):
    sqrt_price: str
    tick: int
    liquidity: str
    tick_spacing: int
    trade_fee_rate: int
    protocol_fee_rate: int
    fund_fee_rate: int
    fee_on: int
    dynamic: dict[str, int] | None
    ticks: list[_ClmmTick]
    amount: str
    zero_for_one: bool
    ts: int


class _DammInput(TypedDict):
    pool_b64: str
    amount: str
    a_to_b: bool
    point: int
    ts: int
    side: str
    has_referral: bool


class _CpmmVector(TypedDict):
    input: _CpmmInput
    expected: dict[str, str]


class _AmmV4Vector(TypedDict):
    input: _AmmV4Input
    expected: dict[str, str]


class _ClmmVector(TypedDict):
    input: _ClmmInput
    expected: dict[str, object]


class _DammVector(TypedDict):
    input: _DammInput
    expected: dict[str, str]


CPMM_VECTORS = cast("list[_CpmmVector]", load_vectors("raydium_cpmm.json"))
AMM_V4_VECTORS = cast("list[_AmmV4Vector]", load_vectors("raydium_amm_v4.json"))
CLMM_VECTORS = cast("list[_ClmmVector]", load_vectors("raydium_clmm.json"))
DAMM_VECTORS = cast("list[_DammVector]", load_vectors("meteora_damm_v2.json"))


def test_no_vector_was_lost() -> None:
    assert len(CPMM_VECTORS) == 120
    assert len(AMM_V4_VECTORS) == 120
    assert len(CLMM_VECTORS) == 60
    assert len(DAMM_VECTORS) == 80


@pytest.mark.parametrize("vector", CPMM_VECTORS, ids=range(len(CPMM_VECTORS)))
def test_raydium_cpmm_agrees_with_the_program(vector: _CpmmVector) -> None:
    vector_input = vector["input"]
    rates = FeeRates(
        vector_input["trade_fee_rate"],
        vector_input["creator_fee_rate"],
        vector_input["protocol_fee_rate"],
        vector_input["fund_fee_rate"],
        vector_input["creator_fee_on_input"],
    )
    swap_exact = {"in": swap_exact_in, "out": swap_exact_out}[vector_input["side"]]
    swap = swap_exact(
        int(vector_input["amount"]),
        int(vector_input["reserve_in"]),
        int(vector_input["reserve_out"]),
        rates,
    )
    assert vector["expected"] == {
        "inputAmount": str(swap.amount_in),
        "outputAmount": str(swap.amount_out),
        "tradeFee": str(swap.trade_fee),
        "creatorFee": str(swap.creator_fee),
        "protocolFee": str(swap.protocol_fee),
        "fundFee": str(swap.fund_fee),
        "newInputVaultAmount": str(swap.reserve_in),
        "newOutputVaultAmount": str(swap.reserve_out),
    }


@pytest.mark.parametrize("vector", AMM_V4_VECTORS, ids=range(len(AMM_V4_VECTORS)))
def test_raydium_amm_v4_agrees_with_the_program(vector: _AmmV4Vector) -> None:
    vector_input, expected = vector["input"], vector["expected"]
    swap_exact = {"in": amm_v4.swap_exact_in, "out": amm_v4.swap_exact_out}[vector_input["side"]]
    swap = swap_exact(
        int(vector_input["amount"]),
        int(vector_input["reserve_in"]),
        int(vector_input["reserve_out"]),
        amm_v4.FeeRate(25, 10_000),
    )
    if vector_input["side"] == "out":
        assert expected == {"amount_in": str(swap.amount_in)}
        return
    assert expected == {"amount_out": str(swap.amount_out), "fee": str(swap.fee)}


@pytest.mark.parametrize("vector", CLMM_VECTORS, ids=range(len(CLMM_VECTORS)))
def test_raydium_clmm_agrees_with_the_program(vector: _ClmmVector) -> None:
    v, amount = vector["input"], int(vector["input"]["amount"])
    ticks = [
        Tick(
            tick["tick"],
            int(tick["net"]),
            int(tick["gross"]),
            orders=int(tick["orders"]),
            part_filled=int(tick["part"]),
        )
        for tick in v["ticks"]
    ]
    curve = Curve(int(v["sqrt_price"]), v["tick"], int(v["liquidity"]), v["tick_spacing"])
    swap = clmm_swap_exact_in(
        curve,
        FeeTerms(
            v["trade_fee_rate"],
            v["protocol_fee_rate"],
            v["fund_fee_rate"],
            FeeOn(v["fee_on"]),
            DynamicFee(*v["dynamic"].values()) if v["dynamic"] else None,
        ),
        ListedTicks(ticks),
        amount,
        zero_for_one=v["zero_for_one"],
        now=v["ts"],
    )
    assert vector["expected"] == {
        "all_trade": swap.amount_in == amount,
        "amount_out": str(swap.amount_out),
        "sqrt_price": str(swap.curve.sqrt_price),
        "liquidity": str(swap.curve.liquidity),
        "tick": swap.curve.tick,
        "fee": str(swap.fee),
    }


@pytest.mark.parametrize("vector", DAMM_VECTORS, ids=range(len(DAMM_VECTORS)))
def test_meteora_damm_v2_agrees_with_the_library(vector: _DammVector) -> None:
    vector_input, expected = vector["input"], vector["expected"]
    assert vector_input["side"] == "in"
    assert not vector_input["has_referral"]
    clock = Clock(slot=vector_input["point"], unix_time=vector_input["ts"])
    pricing = read_pricing(base64.b64decode(vector_input["pool_b64"]), clock)
    trade = pricing.compute_trade(int(vector_input["amount"]), sells_a=vector_input["a_to_b"])
    if "error" in expected:
        assert trade.amount_out == int(expected["reference_amount_out"]) == 0
        return
    assert expected == {
        "amount_out": str(trade.amount_out),
        "next_sqrt_price": str(trade.sqrt_price),
        "claiming_fee": str(trade.shares.claiming),
        "protocol_fee": str(trade.shares.protocol),
        "compounding_fee": str(trade.shares.compounding),
    }


@pytest.mark.parametrize("vector", DAMM_VECTORS, ids=range(len(DAMM_VECTORS)))
def test_a_foreign_pool_account_survives_decoding_and_encoding(vector: _DammVector) -> None:
    data = base64.b64decode(vector["input"]["pool_b64"])
    assert write_pricing(read_pricing(data, Clock()), data) == data
