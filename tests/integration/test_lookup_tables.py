"""The lookup tables that an engine reads, and the orders that are split with them."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import UUID

import pytest
from solders.pubkey import Pubkey
from structlog.testing import capture_logs

from backend.chain.compute_budget import ComputeBudget
from backend.chain.lookup_tables import LookupTables
from backend.chain.outcomes import read_fill
from backend.chain.rpc.client import RpcClient
from backend.chain.transactions import (
    SwapLeg,
    SwapParameters,
    build_swap,
    derive_wrap_seed,
)
from backend.chain.unit_prices import UnitPrices
from backend.domain.amounts import U64_MAX, Token, parse_amount
from backend.domain.errors import EngineError
from backend.domain.orders import OrderTerms, OrderType
from backend.domain.tokens import SOL, USDC
from backend.routing.splitter import Offer, Splitter
from backend.simulator.wire.lookup_tables import NODE_TABLE
from backend.venues.lookup_table import LOOKUP_TABLE_PROGRAM, LookupTable
from backend.venues.spl import make_account
from tests.integration.simulator_client import (
    WAIT_TIMEOUT_S,
    mint_address,
    open_simulator,
)
from tests.integration.table_transactions import (
    FAR_SLOT,
    KEYS,
    OTHER_PROGRAM,
    TABLE,
    open_tables,
    read_pools,
    store_accounts,
)
from tests.integration.test_simulator_many_pools import MANY
from tests.scenario import HAPPY_PATH, Json, open_engine, run_node


async def test_only_tables_that_can_be_used_are_and_others_are_told_once(tmp_path: Path) -> None:
    names = ("active", "closing", "foreign", "broken", "extended", "absent")
    keys = {name: Pubkey(bytes([80 + n] * 32)) for n, name in enumerate(names)}
    await store_accounts(
        tmp_path,
        {
            keys["active"]: LookupTable(KEYS).encode_account(),
            keys["closing"]: LookupTable(KEYS, deactivation_slot=3).encode_account(),
            keys["foreign"]: make_account(OTHER_PROGRAM, LookupTable(KEYS).encode_account().data),
            keys["broken"]: make_account(LOOKUP_TABLE_PROGRAM, bytes(70)),
            keys["extended"]: LookupTable(KEYS, U64_MAX, FAR_SLOT, 3).encode_account(),
        },
    )
    async with open_simulator(tmp_path, MANY) as node:
        tables = LookupTables(node.rpc, [*keys.values()])
        with capture_logs() as logs:
            assert not await tables.refresh(), "it has addresses that become usable"
            assert not await tables.refresh()
        assert {table.key: tuple(table.addresses) for table in tables.usable} == {
            keys["active"]: KEYS,
            keys["extended"]: KEYS[:3],
        }
        told = {each["table"]: each["reason"] for each in logs}
        assert len(told) == len(logs)
        assert told == {
            str(keys["closing"]): "the table is deactivated since slot 3",
            str(keys["foreign"]): f"the account belongs to {OTHER_PROGRAM}",
            str(keys["broken"]): "70 bytes are no size of a table",
            str(keys["absent"]): "the account does not exist",
        }


async def test_addresses_are_usable_from_the_slot_after_they_were_added(tmp_path: Path) -> None:
    await store_accounts(
        tmp_path, {TABLE: LookupTable(KEYS, U64_MAX, FAR_SLOT, 3).encode_account()}
    )
    async with open_simulator(tmp_path, MANY) as node:
        tables = LookupTables(node.rpc, [TABLE])
        assert not await tables.refresh()
        await node.call_control("advance", {"blocks": FAR_SLOT + 10})
        assert await tables.refresh()
        assert [tuple(table.addresses) for table in tables.usable] == [KEYS]


async def test_tables_stay_as_they_are_while_the_node_does_not_answer(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        async with run_node(tmp_path, MANY) as url:
            rpc = await stack.enter_async_context(RpcClient(url))
            tables = LookupTables(rpc, [NODE_TABLE])
            assert await tables.refresh()
            before = tables.usable
        with pytest.raises(EngineError):
            await tables.refresh()
        assert tables.usable is before
        assert [table.key for table in before] == [NODE_TABLE]


@pytest.mark.parametrize(("pair", "amount"), [((SOL, USDC), 10**15), ((USDC, SOL), 10**14)])
async def test_an_order_is_split_over_more_pools_where_there_is_a_table(
    pair: tuple[Token, Token], amount: int, tmp_path: Path
) -> None:
    async with open_simulator(tmp_path, MANY) as node:
        tables = await open_tables(node)
        pools = await read_pools(node, pair, amount)
        mint_in, mint_out = map(mint_address, pair)
        terms = OrderTerms(OrderType.MARKET, *pair, amount, None, 50)
        quotes = [pool.quote(mint_in, amount) for pool in pools]
        best = max(map(Offer, pools, quotes), key=lambda offer: offer.quote.amount_out)
        without, split = (
            Splitter(legs_max=4, prices=UnitPrices(1_000), tables=each).split(terms, pools, best)
            for each in (None, tables)
        )
        assert without is not None
        assert split is not None
        single = max(quote.amount_out for quote in quotes)
        assert split.amount_out > without.amount_out > single
        assert len(split.parts) >= 3
        assert {part.quote.program for part in split.parts} & {"clmm", "dlmm"}
        legs = [SwapLeg(p.pool, p.quote.amount_in, p.quote.amount_out) for p in split.parts]
        swap = SwapParameters(legs, mint_in, mint_out, derive_wrap_seed(UUID(int=1), 1))
        recent = await node.rpc.get_latest_blockhash()
        unsigned = build_swap(swap, node.wallet.address, recent, ComputeBudget(), tables.usable)
        landed = await node.land(unsigned.sign(node.wallet))
        assert landed.err is None, landed.logs
        fill = read_fill(landed, node.wallet.address, mint_in, mint_out)
        assert fill.amount_out == split.amount_out


async def test_an_engine_fills_an_order_over_pools_that_only_fit_with_its_table(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    settings = {"lookup_tables": str(NODE_TABLE), "route_legs_max": 4}
    async with (
        asyncio.timeout(WAIT_TIMEOUT_S),
        open_engine(database_url, redis_url, tmp_path, options=MANY, settings=settings) as engine,
    ):
        legs: list[Json] = []
        while len(legs) < 3:  # the worker finds the pools of a pair once it quotes it
            [order_id] = await engine.place_orders(engine.build_terms("80000"))
            history = await engine.wait_ended(order_id)
            assert history.statuses == HAPPY_PATH
            [building] = history.event_data("building")
            legs = building.get("legs", [])
        assert {leg["program"] for leg in legs} & {"clmm", "dlmm"}
        assert history.record.amount_out == parse_amount(building["expectedAmountOut"], 6)
