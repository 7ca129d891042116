"""Pools that paid most as JSON text: their accounts, as they were read."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from typing import Any

import orjson
from solders.pubkey import Pubkey

from backend.domain.errors import Rejected
from backend.triggers import observe_triggers
from backend.triggers.best_markets import PoolRead
from backend.triggers.peaks import PeakPool
from backend.triggers.pool_market import DirectedPool
from backend.venues import Venues
from backend.venues.venue import Account, Pool


def encode_peaks(peaks: Sequence[PeakPool]) -> str:
    """The JSON text of some peaks, which are pools of venues."""
    pools = [peak.pool for peak in peaks if isinstance(peak, DirectedPool)]
    return orjson.dumps([_encode(pool) for pool in pools]).decode()


def encode_reads(reads: Sequence[PoolRead], now: float) -> str:
    """The JSON text of some reads of pools, with their age."""
    entries = [{**_encode(each.pool.pool), "age_s": round(now - each.at, 3)} for each in reads]
    return orjson.dumps(entries).decode()


def decode_reads(
    text: str, mint_in: Pubkey, venues: Venues, stored_at: float = 0.0
) -> list[PoolRead]:
    """The reads of a text that ``encode_reads`` made, without those that cannot be read any more.

    Their times are on the clock of ``stored_at``, the time when they were encoded.
    """
    return [
        PoolRead(pool, stored_at - entry["age_s"])
        for entry in orjson.loads(text)
        for pool in _decode_each([entry], mint_in, venues)
    ]


def _encode(pool: Pool) -> dict[str, object]:
    accounts = {
        str(key): [str(account.owner), account.lamports, b64encode(account.data).decode()]
        for key, account in pool.encode_quote_accounts().items()
        if account is not None
    }
    return {"pool": str(pool.address), "slot": pool.slot, "accounts": accounts}


def decode_peaks(text: str, mint_in: Pubkey, venues: Venues) -> list[DirectedPool]:
    """The peaks of a text that ``encode_peaks`` made, without those that cannot be read any more.

    A venue may have learned since that it cannot quote such a pool exactly.
    """
    return list(_decode_each(orjson.loads(text), mint_in, venues))


def _decode_each(
    entries: list[dict[str, Any]], mint_in: Pubkey, venues: Venues
) -> Iterator[DirectedPool]:
    for entry in entries:
        accounts: dict[Pubkey, Account | None] = {
            Pubkey.from_string(key): Account(Pubkey.from_string(owner), lamports, b64decode(data))
            for key, (owner, lamports, data) in entry["accounts"].items()
        }
        address = Pubkey.from_string(entry["pool"])
        account = accounts[address]
        assert account is not None
        try:
            venue = venues.by_program[account.owner]
            yield DirectedPool(venue.decode_pool(address, accounts, entry["slot"]), mint_in)
        except (KeyError, Rejected) as error:
            observe_triggers.peak_unreadable(entry["pool"], error)
