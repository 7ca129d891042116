"""The wallet's SOL and tokens: what is missing is told before anything is signed, and by the chain.

The wallet of these tests is the paper wallet of a real node. It is emptied by transfers of its own,
as an owner would who withdraws.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from solders.keypair import Keypair
from solders.system_program import TransferParams, transfer

from backend.chain.compute_budget import ComputeBudget
from backend.chain.costs import compute_network_fee
from backend.chain.outcomes import classify_onchain_error
from backend.chain.rpc.client import RpcClient
from backend.domain.amounts import Token, format_amount
from backend.domain.errors import Rejected
from backend.domain.tokens import JUP, SOL, USDC
from backend.venues import CPMM, DAMM_V2, MAINNET_VENUES
from backend.venues.hosting import HostedVenue
from backend.venues.spl import TOKEN_ACCOUNT_RENT
from tests.integration.simulator_client import (
    STATIC_PRICES,
    SimulatorClient,
    open_simulator,
)
from tests.scenario import HAPPY_PATH, EngineHarness, open_engine

FEE = compute_network_fee(ComputeBudget())
TRANSFER_FEE = 5_000
SOL_UNIT = 10**SOL.decimals
RESERVE = SOL_UNIT // 100
CODE = "insufficient_funds"


@dataclass(slots=True)
class FundedEngine:
    """An engine, and a client of its node that moves the wallet's funds."""

    engine: EngineHarness
    client: SimulatorClient

    async def leave_sol(self, lamports: int) -> None:
        """Withdraw SOL until exactly this is left."""
        surplus = await self.client.read_balance(SOL) - lamports - TRANSFER_FEE
        target = Keypair.from_seed(bytes([9] * 32)).pubkey()
        landed = await self.client.land_instructions(
            transfer(
                TransferParams(
                    from_pubkey=self.client.wallet.address, to_pubkey=target, lamports=surplus
                )
            )
        )
        assert landed.err is None, landed.logs
        assert await self.client.read_balance(SOL) == lamports

    async def execute(self, amount: str, token_in: Token, token_out: Token) -> list[str]:
        """Execute an order, and return its statuses; the failure's reason is the last."""
        terms = self.engine.build_terms(amount, pair=(token_in.symbol, token_out.symbol))
        [order_id] = await self.engine.place_orders(terms)
        history = await self.engine.wait_ended(order_id)
        failures = [f"{each['code']}: {each['reason']}" for each in history.event_data("failed")]
        return [*history.statuses, *failures]

    async def count_transactions(self) -> int:
        return len(await self.engine.read_ledger())


@asynccontextmanager
async def run_funded_engine(
    database_url: str, redis_url: str, data_dir: Path, **settings: object
) -> AsyncIterator[FundedEngine]:
    # Else the balances may have been read within the last second, before the test takes funds away.
    settings = {"reconcile_s": 0, **settings}
    async with (
        open_engine(
            database_url, redis_url, data_dir, options=STATIC_PRICES, settings=settings
        ) as engine,
        RpcClient(str(engine.node._base_url)) as rpc,
    ):
        yield FundedEngine(engine, SimulatorClient(rpc, engine.node))


async def test_a_sale_that_would_leave_less_than_the_reserve_is_refused_before_signing(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_funded_engine(database_url, redis_url, data_dir) as funded:
        held = 10 * SOL_UNIT + 1_000_000
        await funded.leave_sol(held)
        before = await funded.count_transactions()
        needed = 10 * SOL_UNIT + FEE + RESERVE
        assert await funded.execute("10", SOL, USDC) == [
            "pending",
            "routing",
            "failed",
            f"{CODE}: needs {format_amount(needed, 9)} SOL with fees and the reserve of 0.01,"
            f" the wallet holds 10.001: {format_amount(needed - held, 9)} SOL are missing",
        ]
        assert await funded.count_transactions() == before


async def test_what_the_reserve_leaves_can_be_sold_to_the_last_lamport_and_buys_sol_again(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_funded_engine(database_url, redis_url, data_dir) as funded:
        await funded.leave_sol(SOL_UNIT + FEE + RESERVE)
        assert (await funded.execute("1.000000001", SOL, USDC))[2] == "failed"
        assert await funded.execute("1", SOL, USDC) == HAPPY_PATH
        assert await funded.client.read_balance(SOL) == RESERVE
        assert (await funded.execute("0.000001", SOL, USDC))[2] == "failed"
        assert await funded.execute("50", USDC, SOL) == HAPPY_PATH
        assert await funded.execute("5", JUP, USDC) == HAPPY_PATH


@pytest.mark.parametrize("reserve", ["0", "0.001"])
async def test_without_a_reserve_enough_is_left_to_buy_sol_again(
    database_url: str, redis_url: str, data_dir: Path, reserve: str
) -> None:
    async with run_funded_engine(database_url, redis_url, data_dir, sol_reserve=reserve) as funded:
        left = FEE + 2 * TOKEN_ACCOUNT_RENT
        await funded.leave_sol(SOL_UNIT + FEE + left)
        assert (await funded.execute("1.000000001", SOL, USDC))[2] == "failed"
        assert await funded.execute("1", SOL, USDC) == HAPPY_PATH
        assert await funded.execute("50", USDC, SOL) == HAPPY_PATH


@pytest.mark.parametrize(
    ("pair", "amount", "needed"),
    [
        ((USDC, SOL), "50", FEE + TOKEN_ACCOUNT_RENT),
        ((JUP, USDC), "50", FEE + 890_880),
    ],
)
async def test_an_order_whose_fee_and_rent_are_not_covered_is_refused_before_signing(
    database_url: str,
    redis_url: str,
    data_dir: Path,
    pair: tuple[Token, Token],
    amount: str,
    needed: int,
) -> None:
    async with run_funded_engine(database_url, redis_url, data_dir) as funded:
        await funded.leave_sol(needed - 1)
        before = await funded.count_transactions()
        *statuses, reason = await funded.execute(amount, *pair)
        assert statuses == ["pending", "routing", "failed"]
        assert f"needs {format_amount(needed, 9)} SOL for the network fee and rent" in reason
        assert reason.endswith(": 0.000000001 SOL are missing")
        assert await funded.count_transactions() == before
        await funded.client.fund_wallet(funded.client.wallet, "SOL", 1)
        assert await funded.execute(amount, *pair) == HAPPY_PATH


async def test_a_token_of_which_too_little_is_held_is_refused_with_what_is_missing(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_funded_engine(
        database_url, redis_url, data_dir, max_price_impact_bps=10_000
    ) as funded:
        held = await funded.client.read_balance(JUP)
        amount = format_amount(held + 1, JUP.decimals)
        before = await funded.count_transactions()
        *statuses, reason = await funded.execute(amount, JUP, USDC)
        assert statuses == ["pending", "routing", "failed"]
        assert reason == (
            f"{CODE}: needs {amount} JUP, the wallet holds {format_amount(held, JUP.decimals)}:"
            " 0.000001 JUP are missing"
        )
        assert await funded.count_transactions() == before
        await funded.client.fund_wallet(funded.client.wallet, "JUP", 1)
        assert await funded.execute(amount, JUP, USDC) == HAPPY_PATH


@pytest.mark.parametrize(
    ("sol", "pair", "amount", "words"),
    [
        # The amount is there, the rent of the temporary account on top of it is not.
        (
            SOL_UNIT + FEE + 1_000,
            (SOL, USDC),
            SOL_UNIT,
            "for the rent of a token account besides the amount: 1.00203928 are needed,"
            " it holds 1.000001: 0.00203828 SOL are missing",
        ),
        (
            SOL_UNIT // 2 + FEE,
            (SOL, USDC),
            SOL_UNIT,
            "for the amount and the rent of a token account: 1.00203928 are needed,"
            " it holds 0.5: 0.50203928 SOL are missing",
        ),
        (
            1_000_000 + FEE,
            (USDC, SOL),
            10**6,
            "for the rent of a token account: 0.00203928 are needed,"
            " it holds 0.001: 0.00103928 SOL are missing",
        ),
        (
            1_000_000 + FEE,
            (USDC, JUP),
            10**6,
            "for the rent of a token account: 0.00203928 are needed,"
            " it holds 0.001: 0.00103928 SOL are missing",
        ),
        (SOL_UNIT, (USDC, JUP), 2 * 10**9, "does not hold the tokens that the swap sells"),
        (FEE + 10, (USDC, SOL), 10**6, "rent"),
    ],
)
@pytest.mark.parametrize("venue", [CPMM, DAMM_V2])
async def test_the_chains_error_tells_rent_from_the_amount_and_from_tokens(
    data_dir: Path,
    venue: HostedVenue,
    sol: int,
    pair: tuple[Token, Token],
    amount: int,
    words: str,
) -> None:
    async with open_simulator(data_dir) as node:
        trader = await node.create_wallet(sol, USDC=10**9)
        swap = await node.build_swap(amount, venue=venue, pair=pair, wallet=trader)
        simulation = await node.rpc.simulate_transaction(swap.wire)
        error = classify_onchain_error(simulation.err, simulation.logs, MAINNET_VENUES.all)
        assert type(error) is Rejected
        assert error.code == CODE
        assert words in error.reason
