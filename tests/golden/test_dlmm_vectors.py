"""Every golden vector of Meteora DLMM is reproduced, from accounts of mainnet."""

from __future__ import annotations

import base64
from typing import TypedDict, cast

import pytest
from solders.pubkey import Pubkey

from backend.venues import DLMM
from backend.venues.meteora.dlmm.array_bins import ArrayBins
from backend.venues.meteora.dlmm.bin_array import (
    ARRAY_BINS,
    BinArray,
    derive_array_address,
    read_bin_array,
)
from backend.venues.meteora.dlmm.bin_math import compute_bin_price
from backend.venues.meteora.dlmm.codec import (
    encode_pair_accounts,
    make_terms,
    read_line,
    read_pair_state,
)
from backend.venues.meteora.dlmm.swap import swap_exact_in as dlmm_swap_exact_in
from backend.venues.spl import make_account
from tests.golden.vectors import load_vectors


class _DlmmArray(TypedDict):
    pubkey: str
    data_b64: str


class _DlmmInput(TypedDict):
    lb_pair_b64: str
    bin_arrays: list[_DlmmArray]
    amount: str
    swap_for_y: bool
    ts: int
    side: str


class _DlmmVector(TypedDict):
    input: _DlmmInput
    expected: dict[str, object]


DLMM_VECTORS = cast("list[_DlmmVector]", load_vectors("meteora_dlmm.json"))


def test_no_vector_was_lost() -> None:
    assert len(DLMM_VECTORS) == 12


def _read_bin_arrays(vector: _DlmmVector) -> tuple[Pubkey, dict[int, BinArray]]:
    """The pool of a vector, and its bin arrays, whose addresses are those of mainnet."""
    arrays: dict[int, BinArray] = {}
    pool = Pubkey.default()
    for each in vector["input"]["bin_arrays"]:
        data = base64.b64decode(each["data_b64"])
        index, pool = int.from_bytes(data[8:16], "little", signed=True), Pubkey(data[24:56])
        assert str(derive_array_address(DLMM.program, pool, index)) == each["pubkey"]
        arrays[index] = read_bin_array(DLMM.program, pool, index, make_account(DLMM.program, data))
    return pool, arrays


@pytest.mark.parametrize("vector", DLMM_VECTORS, ids=range(len(DLMM_VECTORS)))
def test_meteora_dlmm_agrees_with_the_library(vector: _DlmmVector) -> None:
    v, (pool, arrays) = vector["input"], _read_bin_arrays(vector)
    assert v["side"] == "in"
    state = read_pair_state(
        DLMM.program, pool, make_account(DLMM.program, base64.b64decode(v["lb_pair_b64"]))
    )
    line = read_line(DLMM.program, pool, state, None)
    source = ArrayBins(DLMM.program, pool, (state.min_bin_id, state.max_bin_id), line, arrays)
    terms = make_terms(state)
    swap = dlmm_swap_exact_in(
        terms, source, int(v["amount"]), swap_for_y=v["swap_for_y"], now=v["ts"]
    )
    splits = swap.split_fees(terms.fees).values()
    protocol_fee = sum(split.to_protocol for split in splits)
    assert vector["expected"] == {
        "amount_out": str(swap.amount_out),
        "consumed_in": str(swap.amount_in),
        "fee": str(swap.fee - protocol_fee),
        "protocol_fee": str(protocol_fee),
        "bin_arrays": len(source.visited),
    }


@pytest.mark.parametrize("vector", DLMM_VECTORS, ids=range(len(DLMM_VECTORS)))
def test_foreign_dlmm_accounts_survive_decoding_and_encoding(vector: _DlmmVector) -> None:
    pool, arrays = _read_bin_arrays(vector)
    account = make_account(DLMM.program, base64.b64decode(vector["input"]["lb_pair_b64"]))
    state = read_pair_state(DLMM.program, pool, account)
    line = read_line(DLMM.program, pool, state, None)
    assert encode_pair_accounts(pool, state, line, account, None) == {pool: account}
    for array in arrays.values():
        bins = {n: array.get_bin(n) for n in range(array.first, array.first + ARRAY_BINS)}
        assert array.with_bins(bins) == array
        for n, each in bins.items():
            assert each.price in {0, compute_bin_price(n, state.bin_step)}
