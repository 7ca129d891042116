"""The sniper orders of a run: draws them, and the tokens and pools that they wait for.

A token is there before the orders for it, its pools are launched in later steps and open later
still. Some are traps, or lack what an order asks for, and a better one follows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from random import Random
from typing import Any, Final, NamedTuple

from solders.pubkey import Pubkey

from backend.chain.rpc.client import RpcClient
from backend.domain.amounts import BPS, Token, format_amount
from backend.domain.quotes import Dex
from backend.domain.tokens import SOL, USDC
from backend.domain.waiting.guards import Guards, guards_to_json
from backend.trials.audit.evidence import fetch_launched
from backend.trials.oracle.launches import DrawnSniper, LaunchedPool
from backend.trials.oracle.path import MarketPath, convert_dollars, read_accounts
from backend.trials.oracle.rules import Rule, Sense
from backend.venues import MAINNET_VENUES
from backend.venues.spl import CLOCK_SYSVAR
from backend.venues.venue import Pool

Json = dict[str, Any]

SNIPER: Final = "sniper"
TOKENS: Final = 4
"""So many tokens come to be with each part of the orders."""
LOOKS: Final = (1, 1, 2, 3)
GUARD_SHARE: Final = 0.2
DOLLARS: Final = (-1.0, 5.0)
"""Powers of ten of the least and the largest value of an order."""
HOLD_STEPS: Final = max(LOOKS) + 1
"""So many steps decide about an order after something has changed."""


class _Token(NamedTuple):
    """A launched token, and the one that its pools pay with."""

    token: Token
    quote: Token


class _Plan(NamedTuple):
    """A pool that is to be launched in a step."""

    step: int
    mint: str
    body: Json


@dataclass(frozen=True, slots=True)
class _Launch:
    step: int
    mint: str
    address: str
    opens_at: int


@dataclass(slots=True)
class SniperOrders:
    """Draws sniper orders for tokens of its own, and launches their pools on the path's chain."""

    path: MarketPath
    random: Random
    cap_bps: int
    _tokens: list[_Token] = field(default_factory=list)
    _pools: dict[str, list[LaunchedPool]] = field(default_factory=dict)
    _plans: list[_Plan] = field(default_factory=list)
    _launches: list[_Launch] = field(default_factory=list)
    _changed_in: int = -HOLD_STEPS

    async def add_tokens(self) -> None:
        """Launch tokens that orders may name from now on, and plan their pools."""
        self._changed_in = len(self.path.steps) - 1
        for _ in range(TOKENS):
            traits: Json = {"decimals": self.random.choice((0, 6, 9))}
            for name in ("mint_authority", "freeze_authority"):
                traits[name] = self.random.random() < GUARD_SHARE
            if self.random.random() < GUARD_SHARE:
                traits["transfer_fee_bps"] = self.random.choice((0, 50, 300))
            mint = str((await self.path.control("mint", traits))["mint"])
            quote = self.random.choice((SOL, USDC))
            self._tokens.append(_Token(Token(mint, mint, int(traits["decimals"])), quote))
            self._pools[mint] = []
            self._plans += self._plan_pools(mint, quote)

    def _plan_pools(self, mint: str, quote: Token) -> Iterator[_Plan]:
        step = len(self.path.steps) - 1
        venues = self.random.sample(list(Dex), self.random.choice((1, 2, 2)))
        for venue in venues:
            step += self.random.choice((0, 1, 2, 4))
            body: Json = {
                "venue": venue.value,
                "mint": mint,
                "quote": quote.symbol,
                "quote_amount": self.random.choice((10**12, 10**12, 10**9)),
                "opens_in_seconds": self.random.choice((0, 0, 1, 3, 9)),
                "locked_bps": self.random.choice((BPS, BPS, BPS // 2, 0)),
            }
            if venue is Dex.METEORA and self.random.random() < GUARD_SHARE:
                body["fee_bps"] = 2_000
            yield _Plan(step, mint, body)

    def draw(self) -> DrawnSniper:
        """Draw an order for one of the tokens."""
        random = self.random
        token, quote = random.choice(self._tokens)
        amount_in = convert_dollars(10 ** random.uniform(*DOLLARS), quote)
        guards = self._draw_guards(convert_dollars(50_000, quote))
        body: Json = {
            "type": SNIPER,
            "tokenIn": quote.symbol,
            "tokenOut": token.mint,
            "amount": format_amount(amount_in, quote.decimals),
            **guards_to_json(guards, quote),
        }
        cap_bps = self.cap_bps
        if random.random() < GUARD_SHARE:
            cap_bps = body["maxPriceImpactBps"] = random.choice((20, 100, BPS))
        rule = Rule(Sense.RISING, Fraction(0), guards.looks, cap_bps=cap_bps)
        return DrawnSniper(
            (quote, token),
            amount_in,
            body,
            rule,
            guards=guards,
            launched=self._pools[token.mint],
        )

    def _draw_guards(self, liquidity: int) -> Guards:
        random = self.random

        def is_drawn() -> bool:
            return random.random() < GUARD_SHARE

        return Guards(
            min_liquidity=liquidity if is_drawn() else None,
            mint_authority_revoked=is_drawn(),
            freeze_authority_none=is_drawn(),
            max_transfer_fee_bps=random.choice((0, 100)) if is_drawn() else None,
            max_fee_bps=random.choice((25, 100)) if is_drawn() else None,
            lp_locked_min_bps=random.choice((1_000, BPS)) if is_drawn() else None,
            max_pool_age_s=random.choice((5, 20)) if is_drawn() else None,
            dexes=frozenset({random.choice(list(Dex))}) if is_drawn() else None,
            looks=random.choice(LOOKS),
        )

    async def launch_due(self) -> None:
        """Launch the pools that are due in the current step."""
        at = len(self.path.steps) - 1
        due = [each for each in self._plans if each.step <= at]
        self._plans = [each for each in self._plans if each.step > at]
        for plan in due:
            reply = await self.path.control("launch", plan.body)
            self._launches.append(_Launch(at, plan.mint, reply["pool"], reply["opensAt"]))
            self._changed_in = at

    def is_deciding(self) -> bool:
        """Whether the current step may be one that decides about an order."""
        at = len(self.path.steps) - 1
        before = self.path.steps[at - 1].time if at else 0
        if any(before < each.opens_at <= self.path.steps[at].time for each in self._launches):
            self._changed_in = at
        return at < self._changed_in + HOLD_STEPS

    async def resolve(self) -> None:
        """Read the pools as they are now, for the replay of the orders that were drawn."""
        traits = await fetch_launched(self.path.session, self.path.chain_url)
        async with RpcClient(self.path.chain_url) as rpc:
            for each in self._launches:
                pool = await _read_pool(rpc, each, Dex(traits[each.address].dex))
                launched = LaunchedPool(each.step, each.opens_at, traits[each.address], pool)
                self._pools[each.mint].append(launched)


async def _read_pool(rpc: RpcClient, launch: _Launch, dex: Dex) -> Pool:
    [venue] = [each for each in MAINNET_VENUES.default if each.dex is dex]
    address = Pubkey.from_string(launch.address)
    _, (account,) = await rpc.get_multiple_accounts([address])
    assert account is not None, "the node has what it launched"
    keys = [*venue.list_accounts(address, account), CLOCK_SYSVAR]
    slot, accounts = await read_accounts(rpc, list(dict.fromkeys(keys)))
    return venue.decode_pool(address, accounts, slot)
