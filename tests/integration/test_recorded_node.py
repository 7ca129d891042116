"""What the client makes of answers as nodes of mainnet give them."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from solders.pubkey import Pubkey

from backend.chain.rpc.call_rate import PAUSE_MIN_S
from backend.chain.rpc.client import RpcClient
from backend.chain.rpc.errors import SendOutcomeUnknown
from backend.chain.rpc.results import LandedTransaction
from backend.chain.wire import Commitment, get_cluster_name
from backend.domain.errors import EngineError, OutcomeUnknown, Rejected, Unavailable
from tests.integration.handler_node import Handler, serve_handler
from tests.integration.recorded_node import ANSWERS, REFUSALS, Json, Refusal, answer_all

SLOT = 447_123_456
WIRE = b64decode(ANSWERS["getTransaction"]["result"]["transaction"][0])
SIGNATURE = ANSWERS["sendTransaction"]["result"]
KEYS = [Pubkey(bytes([number] * 32)) for number in (1, 2)]

READS = {
    **dict.fromkeys(["-32005 behind", "-32005 unhealthy", "-32016 context"], "node_behind"),
    **dict.fromkeys(
        ["-32004 block", "-32007 skipped", "-32009 storage", "-32014 status"], "slot_not_available"
    ),
    **dict.fromkeys(["-32603 internal", "null result", "null error and no result"], "node_error"),
    **dict.fromkeys(["HTML 200", "cut body", "cut gzip", "empty body"], "node_error"),
    **dict.fromkeys(["HTML 502", "HTML 503", "text 520"], "node_unavailable"),
    "cut connection": "node_unreachable",
    "403 of a key": "node_forbidden",
    **dict.fromkeys(["429", "429 with Retry-After", "429 in a body of 200"], "rate_limited"),
    "-32429 in a body of 200": "rate_limited",
    "-32015 version": "node_refused",
}
"""The code of the error of a read, by what came in place of an answer."""
PAUSES = {
    "HTML 503": 1.0,
    "429": 1.0,  # its quota is used up, and it does not say until when
    "429 with Retry-After": 1.0,
    "429 in a body of 200": PAUSE_MIN_S,
    "-32429 in a body of 200": 1.0,
}
"""The pause that the client keeps, where there is one."""


@asynccontextmanager
async def open_good_node() -> AsyncIterator[RpcClient]:
    async with serve_handler(answer_all) as url, RpcClient(url) as rpc:
        yield rpc


@asynccontextmanager
async def open_refusing_node(refusal: Refusal) -> AsyncIterator[RpcClient]:
    """A node that answers every call, also each of an array, with a refusal."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        body = json.loads(await request.read())
        return await refusal.send(request, body["id"])

    async with serve_handler(answer) as url, RpcClient(url, wait_max_s=0) as rpc:
        yield rpc


def test_every_kind_of_refusal_has_its_reaction() -> None:
    assert READS.keys() == REFUSALS.keys()


@pytest.mark.parametrize("name", READS)
async def test_a_refusal_costs_no_order_an_attempt_and_a_send_remains_open(name: str) -> None:
    async with open_refusing_node(REFUSALS[name]) as rpc:
        with pytest.raises(EngineError) as read:
            await rpc.get_epoch_info(Commitment.CONFIRMED)
    async with open_refusing_node(REFUSALS[name]) as rpc:  # not paused by the refused read
        [sent] = await rpc.send_transactions([WIRE])
    async with open_refusing_node(REFUSALS[name]) as rpc:
        [fetched] = await rpc.get_transactions([SIGNATURE])

    # The executor waits for what is unavailable, without using up an attempt.
    kind = Rejected if name == "-32015 version" else Unavailable
    assert isinstance(read.value, kind)
    assert read.value.code == READS[name]
    # The bytes are resent and watched: never is another transaction signed for this.
    assert isinstance(sent, SendOutcomeUnknown)
    assert isinstance(sent, OutcomeUnknown)
    assert sent.code == (READS[name] if kind is Unavailable else "node_error")
    if name == "null result":
        assert fetched is None  # of a transaction it is an answer: no block has it yet
    else:
        assert isinstance(fetched, kind)
    if kind is Unavailable:
        assert isinstance(read.value, Unavailable)
        pause_s = read.value.retry_after_s
        assert pause_s == (pytest.approx(PAUSES[name], rel=0.2) if name in PAUSES else None)


async def test_good_answers_are_read_with_unknown_fields_nulls_and_compression() -> None:
    async with open_good_node() as rpc:
        assert await rpc.get_version() == "3.0.6"
        assert get_cluster_name(await rpc.get_genesis_hash()) == "mainnet-beta"
        tip = await rpc.get_epoch_info(Commitment.CONFIRMED)
        blockhash = await rpc.get_latest_blockhash()
        assert await rpc.is_blockhash_valid(blockhash.hash, min_context_slot=0)
        slot, [account, nothing] = await rpc.get_multiple_accounts(KEYS)
        listed_slot, listed = await rpc.get_program_accounts(KEYS[0], [])
        simulated = await rpc.simulate_transaction(WIRE, accounts=KEYS)
        statuses = await rpc.get_signature_statuses([SIGNATURE, SIGNATURE])
        assert await rpc.get_recent_prioritization_fees([]) == [0, 12_000]
        assert await rpc.get_balance(KEYS[0]) == 2_039_280
        assert await rpc.send_transactions([WIRE]) == [SIGNATURE]
    assert (tip.slot, tip.height) == (SLOT, 425_013_987)
    assert (blockhash.slot, blockhash.last_valid_height) == (SLOT, 425_014_137)
    assert (slot, listed_slot, statuses.slot) == (SLOT, SLOT, SLOT)
    assert account is not None
    assert nothing is None
    assert list(listed.values()) == [account]
    assert (simulated.err, simulated.slot, simulated.accounts) == (None, SLOT, (account, None))
    assert simulated.units
    finalized, unknown = statuses.entries
    assert finalized is not None
    assert finalized.commitment is Commitment.FINALIZED
    assert unknown is None


async def test_a_transaction_is_read_whatever_else_is_told_of_it() -> None:
    async with open_good_node() as rpc:
        [landed] = await rpc.get_transactions([SIGNATURE])
    assert isinstance(landed, LandedTransaction)
    assert (landed.slot, landed.err, landed.wire) == (SLOT, None, WIRE)
    assert landed.fee_lamports == 5_120
    assert landed.tokens_after


async def test_a_transaction_without_logs_and_units_is_read() -> None:
    answer = json.loads(json.dumps(ANSWERS["getTransaction"]))
    answer["result"]["meta"] |= {"logMessages": None, "preTokenBalances": None}
    del answer["result"]["meta"]["computeUnitsConsumed"]
    async with serve_handler(_serve_each([answer])) as url, RpcClient(url) as rpc:
        [landed] = await rpc.get_transactions([SIGNATURE])
    assert isinstance(landed, LandedTransaction)
    assert (landed.logs, landed.units, landed.tokens_before) == ((), None, {})


async def test_a_slot_before_that_of_the_last_answer_is_told_as_it_is() -> None:
    good = ANSWERS["getMultipleAccounts"]
    older = {**good, "result": {**good["result"], "context": {"slot": SLOT - 40}}}
    async with serve_handler(_serve_each([good, older])) as url, RpcClient(url) as rpc:
        slots = [(await rpc.get_multiple_accounts(KEYS))[0] for _ in range(2)]
    assert slots == [SLOT, SLOT - 40]  # who reads decides: see WalletBalances and NodePool


async def test_refused_arrays_are_split_and_every_call_is_answered_once() -> None:
    sizes: list[int] = []

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        body = json.loads(await request.read())
        sizes.append(len(body) if isinstance(body, list) else 1)
        if isinstance(body, list):
            return await REFUSALS["403 of a key"].send(request, None)
        return await answer_all(request)

    async with serve_handler(answer) as url, RpcClient(url) as rpc:
        assert not await rpc.takes_arrays()
        assert await rpc.send_transactions([WIRE] * 4) == [SIGNATURE] * 4
        sizes.clear()
        assert await rpc.send_transactions([WIRE] * 4) == [SIGNATURE] * 4
    assert sizes == [1] * 4  # it is remembered


def _serve_each(answers: Sequence[Json]) -> Handler:
    """A node that gives one answer after the other."""
    left = iter(answers)

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        call = json.loads(await request.read())
        return web.json_response({**next(left), "id": call["id"]})

    return answer
