"""The simulated chain executes the swaps of every program exactly as they were quoted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest
from solders.compute_budget import set_compute_unit_limit, set_compute_unit_price
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from backend.domain.errors import EngineError, Rejected, Transient
from backend.simulator.chain.chain import Chain
from backend.simulator.chain.genesis import PAPER_WALLET
from backend.simulator.options import SimulatorOptions
from backend.simulator.programs.runtime import ExecutionResult
from backend.simulator.wire.transaction_parser import ParsedTransaction, parse_transaction
from backend.venues import AMM_V4, CLMM, CPMM, DLMM, MAINNET_VENUES
from backend.venues.hosting import HostedVenue
from backend.venues.spl import (
    ATA_PROGRAM,
    SYSTEM_PROGRAM,
    TOKEN_ACCOUNT,
    TOKEN_PROGRAM,
    derive_ata,
)
from backend.venues.venue import Account, AccountsMissing, Pool, SwapAccounts
from tests.pools import SOL, USDC

NOW = 1_800_000_000.0
OWNER = PAPER_WALLET.pubkey()
WIRE_BYTES_MAX = 1_232
WRAP_BYTES = 230
"""What the instructions that wrap and unwrap SOL add to a transaction."""
UNITS = 400_000


@dataclass
class Trader:
    """The paper wallet on a chain, which quotes from what it reads there."""

    chain: Chain
    venue: HostedVenue
    count: int = 0

    @property
    def address(self) -> Pubkey:
        return self.venue.derive_pool_address(SOL, USDC)

    def read(self, keys: list[Pubkey]) -> dict[Pubkey, Account | None]:
        return {key: self.chain.get_account(key) for key in keys}

    def read_pool(self, mint_in: Pubkey, amount: int) -> Pool:
        """The pool from one read that is enough for the quote, found as a router finds it."""
        own = self.chain.get_account(self.address)
        assert own is not None
        keys = list(self.venue.list_accounts(self.address, own))
        keys += self.venue.guess_accounts(self.address, self.read(keys))
        for _ in range(6):
            slot = self.chain.clock.slot()
            pool = self.venue.decode_pool(self.address, self.read(keys), slot)
            try:
                pool.quote(mint_in, amount)
            except AccountsMissing as missing:
                keys += missing.keys
            else:
                return pool
        raise AssertionError("the quote does not end")

    def build(self, pool: Pool, mint_in: Pubkey, amount: int, minimum: int) -> Instruction:
        accounts = SwapAccounts(OWNER, get_account(mint_in), get_account(get_other(mint_in)))
        return pool.swap_instruction(accounts, mint_in, amount, minimum)

    def sign(self, swap: Instruction) -> ParsedTransaction:
        """A transaction that swaps, into an account that it creates where there is none."""
        self.count += 1
        clock = self.chain.clock
        recent = clock.blockhash(clock.height(clock.slot()))
        before = [set_compute_unit_limit(UNITS), set_compute_unit_price(self.count)]
        create = [build_create_ata(mint) for mint in (SOL, USDC)]
        message = MessageV0.try_compile(OWNER, [*before, *create, swap], [], Hash(bytes(recent)))
        wire = bytes(VersionedTransaction(message, [PAPER_WALLET]))
        assert len(wire) + WRAP_BYTES <= WIRE_BYTES_MAX
        return parse_transaction(wire)

    def land(self, swap: Instruction) -> ExecutionResult:
        transaction = self.sign(swap)
        result = self.chain.simulate(transaction)
        assert self.chain.land_batch([transaction]) == [transaction]
        return result

    def get_balance(self, mint: Pubkey) -> int:
        account = self.chain.get_account(get_account(mint))
        return 0 if account is None else TOKEN_ACCOUNT.read(account.data).amount

    def classify(self, result: ExecutionResult) -> EngineError:
        assert isinstance(result.err, dict)
        error: Any = result.err["InstructionError"]
        return self.venue.classify_error(error[1]["Custom"], result.log_lines)


def get_other(mint: Pubkey) -> Pubkey:
    return USDC if mint == SOL else SOL


def get_account(mint: Pubkey) -> Pubkey:
    return derive_ata(OWNER, mint)


def build_create_ata(mint: Pubkey) -> Instruction:
    keys = [
        AccountMeta(OWNER, is_signer=True, is_writable=True),
        AccountMeta(get_account(mint), is_signer=False, is_writable=True),
        AccountMeta(OWNER, is_signer=False, is_writable=False),
        AccountMeta(mint, is_signer=False, is_writable=False),
        AccountMeta(SYSTEM_PROGRAM, is_signer=False, is_writable=False),
        AccountMeta(TOKEN_PROGRAM, is_signer=False, is_writable=False),
    ]
    return Instruction(ATA_PROGRAM, b"\x01", keys)


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    options = SimulatorOptions(depth_usd=5_000_000, pools="many")
    simulated_chain = Chain(options, tmp_path_factory.mktemp("swaps"), lambda: NOW)
    yield simulated_chain
    simulated_chain.close()


@pytest.fixture(params=MAINNET_VENUES.hosted, ids=lambda venue: f"{venue.dex}/{venue.name}")
def trader(request: pytest.FixtureRequest, chain: Chain) -> Trader:
    return Trader(chain, request.param, count=1_000 * MAINNET_VENUES.hosted.index(request.param))


def test_random_swaps_pay_their_quotes_and_leave_the_state_that_was_expected(
    trader: Trader,
) -> None:
    random, quoted = Random(7), 0
    for _ in range(60):
        mint = random.choice([SOL, USDC]) if trader.get_balance(SOL) > 10**6 else USDC
        limit = min(trader.get_balance(mint), 10**12)
        amount = random.randint(1, 1 << random.randint(14, limit.bit_length() - 1))
        try:
            pool = trader.read_pool(mint, amount)
        except Rejected:
            continue  # too small or too large
        quoted += 1
        quote = pool.quote(mint, amount)
        had = trader.get_balance(mint), trader.get_balance(get_other(mint))
        result = trader.land(trader.build(pool, mint, amount, quote.amount_out))
        assert result.err is None, result.log_lines
        got = trader.get_balance(get_other(mint))
        assert (had[0] - trader.get_balance(mint), got - had[1]) == (amount, quote.amount_out)
        expected = pool.after_swap(mint, amount)[1].encode_quote_accounts()
        assert {key: trader.chain.get_account(key) for key in expected} == expected
    assert quoted > 30


def test_a_swap_below_its_minimum_fails_and_may_be_tried_again(trader: Trader) -> None:
    pool = trader.read_pool(USDC, 10**8)
    minimum = pool.quote(USDC, 10**8).amount_out + 1
    before = trader.chain.get_account(trader.address)
    error = trader.classify(trader.land(trader.build(pool, USDC, 10**8, minimum)))
    assert isinstance(error, Transient)
    assert error.code == "slippage"
    assert trader.chain.get_account(trader.address) == before


def test_a_swap_of_nothing_is_final(trader: Trader) -> None:
    pool = trader.read_pool(USDC, 10**8)
    error = trader.classify(trader.land(trader.build(pool, USDC, 0, 1)))
    assert isinstance(error, Rejected)
    assert error.code == "zero_output"


def test_accounts_that_are_not_the_pools_are_refused(trader: Trader) -> None:
    swap = trader.build(trader.read_pool(USDC, 10**8), USDC, 10**8, 1)
    vault = next(
        key
        for key in trader.read_pool(USDC, 10**8).encode_quote_accounts()
        if key in {meta.pubkey for meta in swap.accounts} and is_vault(trader.chain, key)
    )
    stranger = AccountMeta(get_account(USDC), is_signer=False, is_writable=True)
    metas = [stranger if meta.pubkey == vault else meta for meta in swap.accounts]
    error = trader.classify(trader.land(Instruction(swap.program_id, swap.data, metas)))
    assert error.code == "bad_accounts"


def is_vault(chain: Chain, key: Pubkey) -> bool:
    account = chain.get_account(key)
    return account is not None and account.owner == TOKEN_PROGRAM and len(account.data) == 165


@pytest.mark.parametrize("venue", [CLMM, DLMM])
def test_a_swap_without_the_arrays_that_it_reads_may_be_tried_again(
    chain: Chain, venue: HostedVenue
) -> None:
    trader = Trader(chain, venue, count=9_000 + MAINNET_VENUES.hosted.index(venue))
    swap = trader.build(trader.read_pool(USDC, 10**8), USDC, 10**8, 1)
    fixed = {CLMM: 14, DLMM: 16}[venue]
    error = trader.classify(
        trader.land(Instruction(swap.program_id, swap.data, swap.accounts[:fixed]))
    )
    assert isinstance(error, Transient)
    assert error.code == "stale_accounts"


def test_programs_share_a_chain_and_their_pools_have_prices_of_their_own(chain: Chain) -> None:
    chain.pools.discard_swaps()
    venues: list[HostedVenue] = [CPMM, AMM_V4, CLMM, DLMM]
    prices = {
        Trader(chain, venue).read_pool(USDC, 10**8).quote(USDC, 10**8).amount_out
        for venue in venues
    }
    assert len(prices) == 4
    assert max(prices) - min(prices) < max(prices) // 10
