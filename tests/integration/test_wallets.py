"""Reservations, several wallets, and the balance sheet, against a real node and real servers."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from solders.keypair import Keypair

from backend.api.documents.response_schemas import SCHEMAS
from backend.api.routes.balances import get_balances
from backend.chain.compute_budget import ComputeBudget
from backend.chain.costs import compute_network_fee
from backend.chain.wallet import write_keypair
from backend.config import ConfigurationError, Settings
from backend.domain.tokens import SOL, USDC
from backend.store.wallets.reconciliations import read_differences
from backend.venues.spl import TOKEN_ACCOUNT_RENT
from tests.integration.simulator_client import STATIC_PRICES
from tests.scenario import HAPPY_PATH, EngineHarness, OrderHistory, open_engine

WAIT_S = 60
SOL_UNIT = 10**SOL.decimals
RESERVE = SOL_UNIT // 100
FEE = compute_network_fee(ComputeBudget())
FUNDS = "insufficient_funds"


@dataclass(frozen=True, slots=True)
class WalletFiles:
    """Wallets in files."""

    keypairs: Sequence[Keypair]
    paths: Sequence[Path]

    @property
    def addresses(self) -> list[str]:
        return [str(each.pubkey()) for each in self.keypairs]


def write_wallets(directory: Path, count: int) -> WalletFiles:
    keypairs = [Keypair() for _ in range(count)]
    paths = [directory / f"wallet-{number}.json" for number in range(count)]
    for keypair, path in zip(keypairs, paths, strict=True):
        write_keypair(path, keypair)
    return WalletFiles(keypairs, paths)


@asynccontextmanager
async def run_engine(
    database_url: str,
    redis_url: str,
    data_dir: Path,
    wallets: WalletFiles,
    *,
    workers: int = 1,
    **settings: object,
) -> AsyncIterator[EngineHarness]:
    files = ",".join(map(str, wallets.paths))
    async with open_engine(
        database_url,
        redis_url,
        data_dir,
        workers=workers,
        options=STATIC_PRICES,
        settings={"wallet_files": files, "priority_fee_microlamports": 0, **settings},
    ) as engine:
        yield engine


async def fund(engine: EngineHarness, wallet: str, token: str, amount: int) -> None:
    await engine.control_node("fund", {"owner": wallet, "token": token, "amount": amount})


def find_code(history: OrderHistory) -> str:
    return str(history.record.last_error).partition(":")[0]


async def read_payers(engine: EngineHarness) -> Counter[str]:
    rows = await engine.services.readers.read("SELECT wallet FROM orders")
    return Counter(row["wallet"] for row in rows)


async def test_exactly_the_orders_that_a_wallet_pays_for_are_sent_by_two_workers(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    wallets = write_wallets(data_dir, 1)
    fee = compute_network_fee(ComputeBudget(unit_price=0))
    async with run_engine(database_url, redis_url, data_dir, wallets, workers=2) as engine:
        await fund(engine, wallets.addresses[0], "USDC", 1)
        await fund(engine, wallets.addresses[0], "SOL", 12 * (SOL_UNIT + fee) + RESERVE)
        ids = await engine.place_orders(*[engine.build_terms("1")] * 20)
        histories = await engine.wait_all_ended(ids)
        assert Counter(each.statuses[-1] for each in histories) == {"confirmed": 12, "failed": 8}
        failed = [each for each in histories if each.statuses[-1] == "failed"]
        assert {find_code(each) for each in failed} == {FUNDS}
        assert all("submitted" not in each.statuses for each in failed)
        assert all("SOL are missing" in str(each.record.last_error) for each in failed)
        assert Counter(entry["err"] is None for entry in await engine.read_ledger()) == {True: 12}


async def test_a_token_is_reserved_as_sol_is(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    wallets = write_wallets(data_dir, 1)
    async with run_engine(database_url, redis_url, data_dir, wallets, workers=2) as engine:
        await fund(engine, wallets.addresses[0], "SOL", 100 * SOL_UNIT)
        await fund(engine, wallets.addresses[0], "USDC", 5 * 10**USDC.decimals)
        terms = engine.build_terms("1", pair=("USDC", "SOL"))
        histories = await engine.wait_all_ended(await engine.place_orders(*[terms] * 9))
        assert Counter(each.statuses[-1] for each in histories) == {"confirmed": 5, "failed": 4}
        assert all(entry["err"] is None for entry in await engine.read_ledger())


async def test_an_order_gets_what_another_one_has_reserved_and_not_taken(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    wallets = write_wallets(data_dir, 1)
    async with run_engine(
        database_url, redis_url, data_dir, wallets, attempts_max=1, backoff_s=0
    ) as engine:
        await fund(engine, wallets.addresses[0], "USDC", 1)
        await fund(engine, wallets.addresses[0], "SOL", SOL_UNIT + 50_000 + RESERVE)
        await engine.inject_fault(fault="fail", reason="slippage", count=1)
        ids = await engine.place_orders(*[engine.build_terms("1")] * 2)
        histories = await engine.wait_all_ended(ids)
        assert sorted(each.statuses[-1] for each in histories) == ["confirmed", "failed"]
        [failed] = [each for each in histories if each.statuses[-1] == "failed"]
        assert "submitted" in failed.statuses, "it was sent, and reverted"


async def test_an_order_whose_fee_is_above_what_the_wallet_has_fails_and_says_so(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    wallets = write_wallets(data_dir, 1)
    price = 10_000_000
    usual = compute_network_fee(ComputeBudget(unit_price=price))
    async with run_engine(
        database_url, redis_url, data_dir, wallets, priority_fee_microlamports=price, backoff_s=0
    ) as engine:
        await fund(engine, wallets.addresses[0], "USDC", 10**8)
        await fund(engine, wallets.addresses[0], "SOL", 2 * usual + TOKEN_ACCOUNT_RENT + 10**6)
        # Its next transaction has a higher limit of units, for which the wallet does not suffice.
        await engine.inject_fault(fault="fail", reason="compute", count=1)
        [order_id] = await engine.place_orders(engine.build_terms("10", pair=("USDC", "SOL")))
        history = await engine.wait_ended(order_id)
        assert history.statuses[-1] == "failed"
        assert find_code(history) == FUNDS
        assert len(history.events) < 12, "it was not routed again and again"


async def test_orders_are_spread_over_wallets_and_each_is_filled_from_its_own(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    wallets = write_wallets(data_dir, 3)
    async with run_engine(database_url, redis_url, data_dir, wallets) as engine:
        for wallet in wallets.addresses[:2]:
            await fund(engine, wallet, "SOL", 100 * SOL_UNIT)
        ids = await engine.place_orders(*[engine.build_terms("1")] * 12)
        for history in await engine.wait_all_ended(ids):
            assert history.statuses == HAPPY_PATH
            assert history.record.amount_out is not None
        payers = await read_payers(engine)
        assert set(payers) == set(wallets.addresses[:2]), "the third one holds nothing"
        senders = Counter(
            str(record["wallet"])
            for record in await engine.services.readers.read("SELECT wallet, tx_hash FROM orders")
        )
        assert senders == payers


async def test_a_wallet_that_has_just_been_paid_into_pays_instead_of_one_that_lacks_it(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    wallets = write_wallets(data_dir, 2)
    async with run_engine(database_url, redis_url, data_dir, wallets) as engine:
        # Each order is the first one after a deposit, into this wallet or into that one.
        for count, wallet in enumerate(wallets.addresses * 2, 1):
            await fund(engine, wallet, "SOL", SOL_UNIT + RESERVE + 10 * TOKEN_ACCOUNT_RENT)
            [history] = await engine.wait_all_ended(
                await engine.place_orders(engine.build_terms("1"))
            )
            assert history.statuses == HAPPY_PATH
            assert sum((await read_payers(engine)).values()) == count
        ids = await engine.place_orders(engine.build_terms("1"))
        [refused] = await engine.wait_all_ended(ids)
        assert find_code(refused) == FUNDS


async def test_a_deposit_is_told_once_and_orders_are_not(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    wallets = write_wallets(data_dir, 1)
    [wallet] = wallets.addresses
    async with run_engine(database_url, redis_url, data_dir, wallets, reconcile_s=0.2) as engine:
        pool = engine.services.readers

        async def wait_for(query: str) -> Any:
            async with asyncio.timeout(WAIT_S):
                while not (rows := await pool.read(query)) or not rows[0][0]:
                    await asyncio.sleep(0.05)
                return rows[0][0]

        await wait_for("SELECT count(*) FROM wallet_balances")
        await fund(engine, wallet, "SOL", 50 * SOL_UNIT)
        await wait_for("SELECT count(*) FROM wallet_differences")
        [history] = await engine.wait_all_ended(await engine.place_orders(engine.build_terms("1")))
        assert history.statuses == HAPPY_PATH
        await wait_for("SELECT max(balance) > 0 FROM wallet_balances WHERE token = 'USDC'")
        [difference] = await read_differences(pool)
        assert (difference.wallet, difference.token) == (wallet, "SOL")
        assert difference.amount == 50 * SOL_UNIT
        [sheet] = await engine.services.balance_sheet.read()
        held = {each.token.symbol: each.held for each in sheet.balances}
        assert held["USDC"] == history.record.amount_out
        assert all(each.reserved == 0 for each in sheet.balances)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{0},{0}", "ORDER_ENGINE_WALLET_FILES is"),
        (",".join(f"w{number}" for number in range(17)), "at most 16"),
    ],
)
def test_a_list_of_wallets_that_cannot_be_is_refused(data_dir: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        Settings.load(wallet_files=text.format(data_dir / "wallet.json"))


def test_the_balances_have_a_schema() -> None:
    assert "Balances" in SCHEMAS
    assert get_balances.__doc__
