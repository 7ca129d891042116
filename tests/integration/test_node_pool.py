"""Several nodes as one: whichever is faulty, reads, sends and outcomes are those of the chain."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple, cast

import aiohttp
import pytest
from solders.signature import Signature
from structlog.testing import capture_logs

from backend.chain.nodes.node_pool import NodePool
from backend.chain.nodes.pool_node import Exclusion, PoolNode
from backend.chain.rpc.address_history import HistoryBounds, walk_history
from backend.chain.rpc.client import RpcClient
from backend.chain.rpc.errors import ReadFailure
from backend.chain.rpc.results import LandedTransaction
from backend.chain.wire import Commitment
from backend.config import Profile
from backend.config.chain.node_urls import name_nodes
from backend.domain.errors import EngineError, Unavailable
from backend.domain.tokens import SOL
from backend.simulator.options import SimulatorOptions
from tests.integration.apis import wait_until
from tests.integration.node_proxy import Json, run_node_proxy
from tests.integration.simulator_client import SimulatorClient
from tests.scenario import run_node

UNKNOWN_SIGNATURE = "1" * 64
OPTIONS = SimulatorOptions(
    profile=Profile.INSTANT, has_moving_prices=False, slot_s=0.05, nodes=3, finalized_slots=2
)
FAULTS: list[dict[str, object]] = [
    {"fault": "unreachable"},
    {"fault": "html"},
    {"fault": "html", "status": 502},
    {"fault": "http", "status": 503},
    {"fault": "http", "status": 429, "retry_after_seconds": 60},
    {"fault": "refuse_arrays"},
    {"fault": "behind", "slots": 40},
    {"fault": "forked"},
    {"fault": "false_status"},
    {"fault": "slow", "by_seconds": 3_600},
]


class Nodes(NamedTuple):
    """Three nodes over one chain: as one, and each by itself."""

    pool: NodePool
    members: list[PoolNode]
    http: aiohttp.ClientSession
    urls: list[str]
    client: SimulatorClient

    async def arm(self, number: int, fault: dict[str, object]) -> None:
        """Arm a fault of one node, counted from 0."""
        async with self.http.post(f"{self.urls[number]}/control/faults", json=fault) as response:
            assert response.status == 200, await response.text()

    async def clear(self, number: int) -> None:
        async with self.http.delete(f"{self.urls[number]}/control/faults") as response:
            assert response.status == 200

    async def wait_for_exclusion(self, number: int, reason: Exclusion | None) -> None:
        async def is_so() -> bool:
            return self.members[number].reason is reason

        await wait_until(is_so)


@asynccontextmanager
async def run_nodes(data_dir: Path, options: SimulatorOptions = OPTIONS) -> AsyncIterator[Nodes]:
    async with run_node(data_dir, options) as url, aiohttp.ClientSession(url) as http:
        async with http.get("/control/state") as response:
            urls = (await response.json())["nodes"]
        members = [
            PoolNode(name, RpcClient(url, timeout_s=2, wait_max_s=0))
            for name, url in zip(name_nodes(urls), urls, strict=True)
        ]
        async with NodePool(members, check_s=0.1, lag_slots_max=10).run() as pool:
            yield Nodes(pool, members, http, urls, SimulatorClient(cast(RpcClient, pool), http))


async def land_swap(nodes: Nodes) -> LandedTransaction:
    """Land a swap through the pool, as two nodes have it."""
    signed = await nodes.client.build_swap()
    await nodes.client.send(signed)

    async def has_landed() -> bool:
        statuses = await nodes.pool.get_signature_statuses([signed.signature])
        [status] = statuses.entries
        return status is not None and status.commitment is not Commitment.PROCESSED

    await wait_until(has_landed)
    found: list[LandedTransaction] = []

    async def is_fetched() -> bool:
        [landed] = await nodes.pool.get_transactions([signed.signature])
        if isinstance(landed, LandedTransaction):
            found.append(landed)
        return bool(found)

    await wait_until(is_fetched)
    [entry] = [
        each for each in await nodes.client.list_entries() if each["signature"] == signed.signature
    ]
    assert (found[0].slot, found[0].err) == (entry["slot"], None)
    return found[0]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: "-".join(map(str, fault.values())))
async def test_a_faulty_node_of_three_hides_nothing_and_invents_nothing(
    data_dir: Path, fault: dict[str, object]
) -> None:
    async with run_nodes(data_dir) as nodes:
        await nodes.arm(0, fault)
        for _ in range(3):
            await land_swap(nodes)
        slot, accounts = await nodes.pool.get_multiple_accounts([nodes.client.wallet.address])
        assert slot > 0
        assert accounts[0] is not None
        statuses = await nodes.pool.get_signature_statuses([UNKNOWN_SIGNATURE], search_history=True)
        assert statuses.entries == [None]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"fault": "unreachable"}, Exclusion.UNREACHABLE),
        ({"fault": "html"}, Exclusion.UNREACHABLE),
        ({"fault": "behind", "slots": 40}, Exclusion.BEHIND),
        ({"fault": "forked"}, Exclusion.FORKED),
    ],
)
async def test_a_node_is_left_out_while_it_is_faulty_and_that_is_told_once(
    data_dir: Path, fault: dict[str, object], reason: Exclusion
) -> None:
    with capture_logs() as logs:

        def list_told() -> list[tuple[str, str]]:
            return [(each["event"], each["node"]) for each in logs if "node " in each["event"]]

        async with run_nodes(data_dir) as nodes:
            name = nodes.members[1].name
            await nodes.arm(1, fault)
            await nodes.wait_for_exclusion(1, reason)
            assert [node.reason for node in nodes.members] == [None, reason, None]
            assert nodes.pool.list_left_out() == [f"{name}: {reason}"]
            await nodes.clear(1)

            async def is_told() -> bool:
                return list_told() == [("node left out", name), ("node used again", name)]

            await wait_until(is_told)


async def test_a_blockhash_of_a_fork_is_not_signed_with(data_dir: Path) -> None:
    async with run_nodes(data_dir) as nodes:
        nodes.members[0].latency_s = -1e9  # the best one by far
        await nodes.arm(0, {"fault": "forked"})
        forked, other = nodes.members[0].client, nodes.members[1].client

        async def is_apart() -> bool:
            own = await forked.get_latest_blockhash()
            return not await other.is_blockhash_valid(own.hash, min_context_slot=0)

        await wait_until(is_apart)
        for _ in range(5):
            blockhash = await nodes.pool.get_latest_blockhash()
            assert await other.is_blockhash_valid(blockhash.hash, min_context_slot=0)


async def test_two_nodes_that_contradict_each_other_decide_nothing(data_dir: Path) -> None:
    two = SimulatorOptions(profile=Profile.INSTANT, has_moving_prices=False, slot_s=0.05, nodes=2)
    async with run_nodes(data_dir, two) as nodes:
        await nodes.arm(0, {"fault": "false_status"})
        for search_history in (False, True):
            statuses = await nodes.pool.get_signature_statuses(
                [UNKNOWN_SIGNATURE], search_history=search_history
            )
            [status] = statuses.entries
            assert status is not None  # which would say that it can be signed anew
            assert status.commitment is Commitment.PROCESSED  # nor has it landed
        await nodes.clear(0)
        statuses = await nodes.pool.get_signature_statuses([UNKNOWN_SIGNATURE])
        assert statuses.entries == [None]


async def test_the_last_node_that_can_be_reached_is_believed(data_dir: Path) -> None:
    async with run_nodes(data_dir) as nodes:
        for number in (0, 1):
            await nodes.arm(number, {"fault": "unreachable"})
            await nodes.wait_for_exclusion(number, Exclusion.UNREACHABLE)
        landed = await land_swap(nodes)
        assert landed.err is None
        tip = await nodes.pool.get_epoch_info(Commitment.FINALIZED)
        assert tip.height > 0


async def test_without_any_node_each_call_says_so(data_dir: Path) -> None:
    async with run_nodes(data_dir) as nodes:
        signed = await nodes.client.build_swap()
        for number in range(3):
            await nodes.arm(number, {"fault": "unreachable"})
        with pytest.raises(Unavailable, match="node_unreachable"):
            await nodes.pool.get_latest_blockhash()
        [result] = await nodes.pool.send_transactions([signed.wire])
        [landed] = await nodes.pool.get_transactions([signed.signature])
        assert isinstance(result, EngineError)
        assert isinstance(landed, EngineError)
        assert await nodes.client.list_entries() == []


async def test_the_finalized_height_is_that_of_the_slower_of_two(data_dir: Path) -> None:
    async with run_nodes(data_dir) as nodes:
        await nodes.arm(0, {"fault": "behind", "slots": 5})  # too few to be left out
        await nodes.arm(1, {"fault": "unreachable"})
        await nodes.wait_for_exclusion(1, Exclusion.UNREACHABLE)
        newest = await nodes.members[2].client.get_epoch_info(Commitment.FINALIZED)
        agreed = await nodes.pool.get_epoch_info(Commitment.FINALIZED)
        later = await nodes.members[2].client.get_epoch_info(Commitment.FINALIZED)
        assert newest.height - 5 <= agreed.height <= later.height - 5


async def test_a_balance_is_read_at_the_next_node_when_one_takes_long(data_dir: Path) -> None:
    async with run_nodes(data_dir) as nodes:
        nodes.members[0].latency_s = 1e-9  # the best one
        held = await nodes.client.rpc.get_balance(nodes.client.wallet.address)
        await nodes.arm(0, {"fault": "slow", "by_seconds": 3_600, "methods": ["getBalance"]})
        assert await nodes.pool.get_balance(nodes.client.wallet.address) == held
        assert held > 10**SOL.decimals


async def test_accounts_are_not_from_before_what_has_landed(data_dir: Path) -> None:
    async with run_nodes(data_dir) as nodes:
        nodes.members[0].latency_s = -1e9  # the best one by far
        await nodes.arm(0, {"fault": "behind", "slots": 9})  # too few to be left out
        for _ in range(3):
            landed = await land_swap(nodes)
            slot, _ = await nodes.pool.get_multiple_accounts([nodes.client.wallet.address])
            assert slot >= landed.slot


def fail_simulations(call: Json, answer: Json) -> Json | None:
    if call["method"] != "simulateTransaction":
        return None
    value = {**answer["result"]["value"], "err": {"InstructionError": [2, {"Custom": 6003}]}}
    return {"result": {**answer["result"], "value": value}}


@pytest.mark.parametrize("liars", [1, 2])
async def test_a_simulation_fails_only_if_a_second_node_says_so_too(
    tmp_path: Path, liars: int
) -> None:
    async with AsyncExitStack() as stack:
        nodes = await stack.enter_async_context(run_nodes(tmp_path))
        urls = nodes.urls[:2]
        for number in range(liars):
            proxy = await stack.enter_async_context(run_node_proxy(urls[number]))
            proxy.rule, urls[number] = fail_simulations, proxy.url
        members = [PoolNode(url, RpcClient(url, timeout_s=2, wait_max_s=0)) for url in urls]
        pool = NodePool(members, check_s=0.1, lag_slots_max=10)
        await stack.enter_async_context(pool.run())
        signed = await nodes.client.build_swap()
        results = [await pool.simulate_transaction(signed.wire) for _ in range(6)]
        assert [each.err is None for each in results] == [liars == 1] * 6


@pytest.mark.parametrize("fault", [FAULTS[0], FAULTS[6], FAULTS[7]], ids=["gone", "behind", "fork"])
async def test_the_history_of_a_wallet_is_what_two_nodes_list(
    data_dir: Path, fault: dict[str, object]
) -> None:
    async with run_nodes(data_dir) as nodes:
        wallet = nodes.client.wallet.address
        first = await land_swap(nodes)
        await nodes.arm(0, fault)
        slots = {first.slot, (await land_swap(nodes)).slot}
        bounds = HistoryBounds((), datetime.fromtimestamp(0, UTC), min_slot=max(slots))
        walk = partial(walk_history, address=wallet, bounds=bounds)
        walks = await nodes.pool.walk_histories(walk)
        assert {each.slot for found in walks for each in found} == slots
        await nodes.clear(0)  # else its own error may be the one that is raised
        unheard = replace(bounds, known={str(Signature.default())})
        with pytest.raises(ReadFailure, match="does not go back to what the journal knows"):
            await nodes.pool.walk_histories(partial(walk, bounds=unheard))
