"""Transactions that pay what recent blocks charged land soon, and never cost more than allowed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

from solders.hash import Hash
from solders.pubkey import Pubkey

from backend.chain.compute_budget import ComputeBudget
from backend.chain.costs import compute_network_fee
from backend.chain.rpc.results import Blockhash
from backend.chain.swap_instructions import SwapInstructions
from backend.chain.transactions import (
    SwapLeg,
    SwapParameters,
    build_instructions,
    build_swap,
    derive_wrap_seed,
)
from backend.chain.wallet import create_paper_wallet
from backend.domain.errors import Transient
from backend.domain.orders import SignedTransaction
from backend.domain.tokens import SOL, USDC
from backend.execution.budget.priority_fees import FeePolicy, PriorityFees
from backend.simulator.state.inclusion import InclusionPrices
from backend.simulator.wire.transaction_parser import parse_transaction
from backend.venues import CPMM
from tests.integration.simulator_client import SimulatorClient, mint_address, open_simulator
from tests.pools import SOL as SOL_MINT
from tests.pools import USDC as USDC_MINT

POLICY = FeePolicy()
GOING_PRICE = 200_000


def make_swap(number: int = 1) -> SwapParameters:
    pool = CPMM.create_pool(SOL_MINT, USDC_MINT, 10**15, 10**14, fee_e9=3_000_000)
    seed = derive_wrap_seed(UUID(int=number), 1)
    return SwapParameters([SwapLeg(pool, 10**9, 1)], SOL_MINT, USDC_MINT, seed)


def make_instructions(number: int = 1) -> SwapInstructions:
    return build_instructions(make_swap(number), create_paper_wallet().address)


async def sign_swap(
    node: SimulatorClient, budget: ComputeBudget, number: int = 1
) -> SignedTransaction:
    pool = await node.read_pool()
    seed = derive_wrap_seed(UUID(int=number), 1)
    pair = mint_address(SOL), mint_address(USDC)
    swap = SwapParameters([SwapLeg(pool, 10**9, 1)], *pair, seed)
    recent = await node.rpc.get_latest_blockhash()
    return build_swap(swap, node.wallet.address, recent, budget).sign(node.wallet)


async def test_what_recent_blocks_charged_lands_within_two_slots() -> None:
    prices, slot, landed_soon, count = InclusionPrices(7), 1_000, 0, 1_000
    prices.set_price(0, GOING_PRICE, 5_000)

    async def fetch(_accounts: Sequence[Pubkey]) -> list[int]:
        return [prices.get_price(each) for each in range(slot - 149, slot + 1)]

    swap = make_instructions()
    for _ in range(count):
        slot += 3
        fees = PriorityFees(fetch, ComputeBudget(), POLICY)
        paid = (await fees.choose_budget(swap, 1)).unit_price
        landed_soon += any(prices.get_price(slot + after) <= paid for after in (1, 2))
    assert landed_soon >= 0.95 * count


async def test_further_attempts_pay_more_and_never_above_the_ceiling() -> None:
    async def fetch(_accounts: Sequence[Pubkey]) -> list[int]:
        return [GOING_PRICE]

    budget = ComputeBudget(ceiling_lamports=50_000)
    fees = PriorityFees(fetch, ComputeBudget(), FeePolicy(ceiling_lamports=50_000))
    swap = make_swap()
    paid = []
    for attempt in (1, 2, 3, 4):
        chosen = await fees.choose_budget(make_instructions(), attempt)
        owner, recent = create_paper_wallet(), Blockhash(Hash.default(), 150, 0)
        signed = build_swap(swap, owner.address, recent, chosen).sign(owner)
        paid.append(parse_transaction(signed.wire).fee)
    assert paid[:2] == [5_000 + 24_000, 5_000 + 36_000]
    assert all(54_999 <= fee <= compute_network_fee(budget) == 55_000 for fee in paid[2:])


async def test_a_node_that_tells_no_prices_is_paid_the_fixed_one() -> None:
    async def fetch(_accounts: Sequence[Pubkey]) -> list[int]:
        raise Transient("node_error", "it does not tell")

    fees = PriorityFees(fetch, ComputeBudget(unit_price=77), POLICY)
    assert (await fees.choose_budget(make_instructions(), 1)).unit_price == 77


async def test_a_transaction_below_the_going_price_waits_until_that_falls(tmp_path: Path) -> None:
    async with open_simulator(tmp_path, slot_s=0.05) as node:
        state = await node.call_control("congestion", {"unit_price": GOING_PRICE})
        assert state["unitPrice"] == GOING_PRICE
        waiting = await sign_swap(node, ComputeBudget(), 1)
        await node.send(waiting)
        budget = ComputeBudget(ceiling_lamports=1_000_000)
        fees = PriorityFees(
            node.rpc.get_recent_prioritization_fees, ComputeBudget(), FeePolicy(100)
        )
        chosen = await fees.choose_budget(make_instructions(2), 1)
        included = await sign_swap(node, chosen, 2)
        await node.send_and_wait(included)
        [entry] = await node.list_entries()
        assert entry["signature"] == included.signature
        fee = parse_transaction(included.wire).fee
        assert fee == 5_000 + GOING_PRICE * 120_000 // 1_000_000
        assert fee <= compute_network_fee(budget)
        assert await node.read_status(waiting.signature) is None
        await node.call_control("congestion", {"unit_price": 0})
        assert (await node.wait_until_landed(waiting.signature)).err is None
