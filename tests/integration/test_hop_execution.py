"""Orders through other tokens: quoted, executed in one transaction, and what they leave behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from backend.chain.token_accounts import derive_token_address
from backend.chain.wallet import create_paper_wallet
from backend.config import Profile
from backend.domain.amounts import Token, parse_amount
from backend.domain.route_constraints import RouteConstraints
from backend.domain.tokens import JUP, RAY, SOL, USDC, USDT
from backend.simulator.options import SimulatorOptions
from backend.simulator.programs.token import read_amount
from backend.venues import CPMM, DAMM_V2
from backend.venues.hosting import HostedVenue
from tests.integration.simulator_client import mint_address
from tests.scenario import HAPPY_PATH, EngineHarness, Json, open_engine

OPTIONS = SimulatorOptions(profile=Profile.INSTANT, has_moving_prices=False)
CASES: Sequence[tuple[tuple[Token, Token, Token], tuple[HostedVenue, HostedVenue], str]] = (
    ((JUP, SOL, RAY), (CPMM, DAMM_V2), "1000"),  # SOL is in an account of this transaction alone
    ((SOL, USDC, JUP), (CPMM, CPMM), "25"),
    ((USDC, USDT, SOL), (DAMM_V2, CPMM), "5000"),
)


def derive_pool(venue: HostedVenue, one: Token, other: Token) -> str:
    return str(venue.derive_pool_address(mint_address(one), mint_address(other)))


async def read_balances(engine: EngineHarness, tokens: Sequence[Token]) -> dict[Token, int]:
    """What the wallet holds of SOL and of some tokens, in base units."""
    wallet = create_paper_wallet().address
    others = [token for token in tokens if token != SOL]
    keys = [wallet, *(derive_token_address(wallet, mint_address(token)) for token in others)]
    _, [account, *accounts] = await engine.services.rpc.get_multiple_accounts(keys)
    assert account is not None
    amounts = (0 if each is None else read_amount(each) for each in accounts)
    return {SOL: account.lamports, **dict(zip(others, amounts, strict=True))}


def compute_changes(
    path: tuple[Token, Token, Token], amount: str, confirmed: Json
) -> dict[Token, int]:
    """How the wallet has to have changed by what an order says of itself."""
    token_in, between, token_out = path
    [residual] = confirmed["residuals"]
    changes = {
        SOL: 0,
        token_in: -parse_amount(amount, token_in.decimals),
        between: parse_amount(residual["amount"], between.decimals),
        token_out: parse_amount(confirmed["amountOut"], token_out.decimals),
    }
    changes[SOL] -= confirmed["networkFeeLamports"]
    return changes


@pytest.mark.parametrize(("path", "venues", "amount"), CASES)
async def test_an_order_through_another_token_is_one_transaction_and_every_source_agrees(
    database_url: str,
    redis_url: str,
    data_dir: Path,
    path: tuple[Token, Token, Token],
    venues: tuple[HostedVenue, HostedVenue],
    amount: str,
) -> None:
    token_in, between, token_out = path
    pools = tuple(map(derive_pool, venues, path, path[1:]))
    async with open_engine(database_url, redis_url, data_dir, options=OPTIONS) as engine:
        before = await read_balances(engine, path)
        terms = engine.build_terms(amount, pair=(token_in.symbol, token_out.symbol))
        [order_id] = await engine.place_orders(
            replace(terms, constraints=RouteConstraints(pools=pools))
        )
        history = await engine.wait_ended(order_id)
        after = await read_balances(engine, path)
        swaps = (await engine.read_swaps())[history.record.tx_hash or ""]["swaps"]
        assert history.statuses == HAPPY_PATH
        [building], [confirmed] = (history.event_data(name) for name in ("building", "confirmed"))
        first, second = building["legs"]
        assert (first["pool"], second["pool"]) == pools
        assert (first["amountIn"], second["amountIn"]) == (amount, first["minAmountOut"])
        assert confirmed["amountOut"] == building["expectedAmountOut"] == second["amountOut"]
        left = Decimal(first["amountOut"]) - Decimal(second["amountIn"])
        [residual] = confirmed["residuals"]
        assert building["residuals"] == [residual]
        assert residual["token"] == between.symbol
        assert Decimal(residual["amount"]) == left > 0
        assert [(swap["pool"], swap["mint_in"], swap["mint_out"]) for swap in swaps] == [
            (pools[0], token_in.mint, between.mint),
            (pools[1], between.mint, token_out.mint),
        ]
        changes = {token: after[token] - before[token] for token in after}
        assert changes == compute_changes(path, amount, confirmed)
