"""Reads pools with all that guards ask about, as of one slot, and judges them for one order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from solders.pubkey import Pubkey

from backend.domain.amounts import Token, format_amount
from backend.domain.conditions import Launch
from backend.domain.errors import EngineError, Rejected
from backend.domain.orders import OrderTerms
from backend.domain.quotes import Quote
from backend.domain.waiting.guards import PoolFacts, check
from backend.routing.pool_finder import FoundPool
from backend.routing.pool_reader import KEYS_MAX, AccountReader
from backend.venues.mint import MintFacts, read_mint
from backend.venues.spl import CLOCK, CLOCK_SYSVAR
from backend.venues.venue import Account, Pool


class LaunchedPool(NamedTuple):
    """A pool as it was read, with the accounts that its guards need."""

    found: FoundPool
    pool: Pool
    accounts: Mapping[Pubkey, Account | None]


class Verdict(NamedTuple):
    """What a pool offers for an order, or the reasons for which nothing is bought from it."""

    quote: Quote | None
    reasons: Sequence[str]
    is_closed: bool = False
    """Whether it opens later."""


class LaunchedPoolReader:
    """Reads pools at any address; which accounts each has is read once, and remembered."""

    def __init__(self, node: AccountReader) -> None:
        self._node = node
        self._accounts: dict[Pubkey, Sequence[Pubkey]] = {}
        self._extra: dict[Pubkey, Sequence[Pubkey]] = {}

    async def read(self, pools: Iterable[FoundPool]) -> list[LaunchedPool]:
        """Read pools; those that were not discovered, or cannot be decoded, are left out.

        Raises ``Transient`` or ``Rejected`` if the node does not answer.
        """
        read: list[LaunchedPool] = []
        for group in self._group([each for each in pools if each in self]):
            read += await self._read_group(group)
        return read

    def __contains__(self, pool: FoundPool) -> bool:
        """Whether there is such a pool, as far as was discovered."""
        return pool.address in self._accounts

    async def discover(self, pools: Iterable[FoundPool]) -> list[FoundPool]:
        """Look whether there are such pools; returns those that were not known to be there.

        Raises ``Transient`` or ``Rejected`` if the node does not answer.
        """
        missing = [each for each in pools if each not in self]
        await self._discover(missing)
        return [each for each in missing if each in self]

    async def _discover(self, pools: Sequence[FoundPool]) -> None:
        for at in range(0, len(pools), KEYS_MAX):
            part = pools[at : at + KEYS_MAX]
            _, accounts = await self._node.get_multiple_accounts([each.address for each in part])
            for each, account in zip(part, accounts, strict=True):
                try:
                    if account is not None:
                        keys = each.venue.list_accounts(each.address, account)
                        self._accounts[each.address] = keys
                except EngineError:
                    continue  # an account that is no pool

    def _list_keys(self, pool: FoundPool) -> Sequence[Pubkey]:
        extra = self._extra.get(pool.address, ())
        return [*self._accounts[pool.address], *extra, *pool.pair, CLOCK_SYSVAR]

    def _group(self, pools: Sequence[FoundPool]) -> list[list[FoundPool]]:
        """Groups of pools whose accounts fit one request."""
        groups: list[list[FoundPool]] = []
        keys: set[Pubkey] = set()
        for pool in pools:
            own = set(self._list_keys(pool))
            if not groups or len(keys | own) > KEYS_MAX:
                groups.append([])
                keys = set()
            groups[-1].append(pool)
            keys |= own
        return groups

    async def _read_group(self, pools: Sequence[FoundPool]) -> list[LaunchedPool]:
        keys = list(dict.fromkeys(key for each in pools for key in self._list_keys(each)))
        slot, values = await self._node.get_multiple_accounts(keys)
        accounts = dict(zip(keys, values, strict=True))
        read: list[LaunchedPool] = []
        new: list[FoundPool] = []
        for each in pools:
            try:
                pool = each.venue.decode_pool(each.address, accounts, slot)
            except EngineError:
                continue
            if each.address not in self._extra:
                self._extra[each.address] = pool.list_trait_accounts()
                if self._extra[each.address]:
                    new.append(each)
                    continue
            read.append(LaunchedPool(each, pool, accounts))
        return read + (await self._read_group(new) if new else [])


def judge(terms: OrderTerms, launched: LaunchedPool) -> Verdict:
    """Judge a pool for an order: its quote if it is open and passes everything that is asked."""
    tokens = terms.token_in, terms.token_out
    mint_in, mint_out = (Pubkey.from_string(token.mint) for token in tokens)
    try:
        quote = launched.pool.quote(mint_in, terms.amount_in)
        facts_in = _read_facts(mint_in, terms.token_in, launched)
        facts_out = _read_facts(mint_out, terms.token_out, launched)
    except Rejected as error:
        return Verdict(None, [error.reason], is_closed=error.code == "not_open")
    reasons = list(_check_terms(terms, quote))
    if isinstance(terms.condition, Launch):
        facts = _describe(terms, launched, quote, facts_in, facts_out)
        reasons += check(terms.condition.guards, facts)
    return Verdict(None if reasons else quote, reasons)


def _check_terms(terms: OrderTerms, quote: Quote) -> Iterable[str]:
    cap_bps, least = terms.max_price_impact_bps, terms.min_amount_out
    if cap_bps is not None and not quote.is_within_impact(cap_bps):
        yield f"the price impact is above the cap of {format_amount(cap_bps, 2)} %"
    if least is not None and quote.amount_out < least:
        token = terms.token_out
        offer, wanted = (format_amount(each, token.decimals) for each in (quote.amount_out, least))
        yield f"the offer of {offer} {token.symbol} is below the minimum {wanted}"


def _read_facts(mint: Pubkey, token: Token, launched: LaunchedPool) -> MintFacts:
    """What the mint of a token shows now. Raises ``Rejected`` if it is another token by now."""
    clock = launched.accounts.get(CLOCK_SYSVAR)
    epoch = 0 if clock is None else CLOCK.read(clock.data).epoch
    facts = read_mint(mint, launched.accounts.get(mint), epoch)
    if facts.decimals != token.decimals:
        reason = f"the mint {mint} has {facts.decimals} decimals now, and had {token.decimals}"
        raise Rejected("mint_changed", reason)
    return facts


def _describe(
    terms: OrderTerms,
    launched: LaunchedPool,
    quote: Quote,
    facts_in: MintFacts,
    facts_out: MintFacts,
) -> PoolFacts:
    traits = launched.pool.read_traits(Pubkey.from_string(terms.token_in.mint), launched.accounts)
    fees = [each.transfer_fee.bps for each in (facts_in, facts_out) if each.transfer_fee]
    minter, freezer = facts_out.mint_authority, facts_out.freeze_authority
    return PoolFacts(
        dex=quote.dex,
        token_in=terms.token_in,
        fee_e9=quote.fee_e9,
        liquidity=traits.reserve_in,
        mint_authority=None if minter is None else str(minter),
        freeze_authority=None if freezer is None else str(freezer),
        transfer_fee_bps=max(fees, default=0),
        lp_locked_bps=traits.locked_bps,
        age_s=traits.age_s,
    )
