"""What the history of the wallets has of our orders, and the journal does not.

Every list of a history is a hint: a node may leave something out, and anybody can name a wallet in
a transaction. So the lists of two nodes are joined, and each transaction that may count is fetched:
what counts is the wallet's signature on it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Protocol

from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from backend.chain.memos import OrderAttempt, find_attempt, read_attempt
from backend.chain.nodes.node_client import NodeClient
from backend.chain.rpc.address_history import HistoryBounds, HistoryNode, walk_history
from backend.chain.rpc.client import FETCH_BATCH_MAX
from backend.chain.rpc.results import AddressSignature, LandedTransaction
from backend.domain.errors import EngineError, Unavailable
from backend.domain.quotes import Dex
from backend.domain.times import read_creation_ms
from backend.store.database import DatabasePool
from backend.store.origin.found_transactions import FoundTransaction, find_known
from backend.store.origin.journal_origin import JournalOrigin
from backend.venues.spl import NATIVE_MINT
from backend.venues.venue import Venue

CHAIN_CLOCK_MARGIN: Final = timedelta(minutes=10)
"""How far the clocks of the chain and of the database may be apart."""
ORDER_CLOCK_MARGIN: Final = timedelta(seconds=2)
"""How far the clocks of an API process and of the database may be apart."""
_NATIVE: Final = str(NATIVE_MINT)


class HistoryReader(NodeClient, HistoryNode, Protocol):
    """The part of a node that the comparison needs."""


class WalletHistory:
    """Finds the transactions of wallets that the journal lacks."""

    def __init__(
        self,
        pool: DatabasePool,
        origin: JournalOrigin,
        node: HistoryReader,
        wallets: Sequence[Pubkey],
    ) -> None:
        self._pool = pool
        self._origin = origin
        self._node = node
        self._wallets = wallets

    async def find_lost(self, min_slot: int = 0) -> list[FoundTransaction]:
        """Find the transactions of all wallets that the journal lacks, as of a slot at least.

        Raises ``EngineError`` if a node or the database does not tell: nothing is known then.
        """
        return [found for each in self._wallets for found in await self._find(each, min_slot)]

    async def _find(self, wallet: Pubkey, min_slot: int) -> list[FoundTransaction]:
        known = frozenset(await self._origin.read_known(str(wallet)))
        begin = await self._origin.read_begin()
        bounds = HistoryBounds(known, begin - CHAIN_CLOCK_MARGIN, min_slot)
        walks = await self._node.walk_histories(
            partial(walk_history, address=wallet, bounds=bounds)
        )
        listed = {each.signature: each for walk in walks for each in walk}
        for signature in known:
            listed.pop(signature, None)
        suspects = await self._drop_known(
            {each.signature: attempt for each, attempt in _list_suspects(listed, begin)}
        )
        found = [
            _describe(wallet, signature, attempt, landed)
            for signature, landed in await self._fetch(list(suspects))
            if (attempt := read_attempt(landed.wire, wallet)) is not None
            and not _is_earlier(attempt, begin)
        ]
        lost = await self._drop_known(
            {each.signature: OrderAttempt(each.order_id, each.attempt) for each in found}
        )
        return [each for each in found if each.signature in lost]

    async def _drop_known(
        self, attempts: Mapping[str, OrderAttempt | None]
    ) -> dict[str, OrderAttempt | None]:
        named = [(signature, each.order_id) for signature, each in attempts.items() if each]
        known = await find_known(
            self._pool, [each for each, _ in named], [order_id for _, order_id in named]
        )
        return {signature: each for signature, each in attempts.items() if signature not in known}

    async def _fetch(self, signatures: Sequence[str]) -> list[tuple[str, LandedTransaction]]:
        fetched = []
        for start in range(0, len(signatures), FETCH_BATCH_MAX):
            asked = signatures[start : start + FETCH_BATCH_MAX]
            for signature, answer in zip(
                asked, await self._node.get_transactions(asked), strict=True
            ):
                if isinstance(answer, EngineError):
                    raise answer
                if answer is None:
                    reason = f"no node returns {signature}, which is in the history of a wallet"
                    raise Unavailable("transaction_missing", reason)
                fetched.append((signature, answer))
        return fetched


def _list_suspects(
    listed: Mapping[str, AddressSignature], begin: datetime
) -> Iterator[tuple[AddressSignature, OrderAttempt | None]]:
    """What may be of an order of this journal: that names one, or whose memo is not listed."""
    for each in listed.values():
        attempt = find_attempt(each.memo or "")
        if each.memo is None if attempt is None else not _is_earlier(attempt, begin):
            yield each, attempt


def _is_earlier(attempt: OrderAttempt, begin: datetime) -> bool:
    """Whether an order is older than the journal: another database had the wallet before.

    By its id, which tells nothing of a slice or an order of a bracket.
    """
    made_ms = read_creation_ms(attempt.order_id)
    return made_ms is not None and made_ms < (begin - ORDER_CLOCK_MARGIN).timestamp() * 1_000


def _describe(
    wallet: Pubkey, signature: str, attempt: OrderAttempt, landed: LandedTransaction
) -> FoundTransaction:
    changes: Counter[str] = Counter()
    for sign, balances in ((1, landed.tokens_after), (-1, landed.tokens_before)):
        for balance in balances.values():
            if balance.owner == str(wallet):
                changes[balance.mint] += sign * balance.amount
    # The wallet pays for it, so that its account is the first.
    changes[_NATIVE] += landed.lamports_after[0] - landed.lamports_before[0]
    moved = {mint: change for mint, change in changes.items() if change}
    return FoundTransaction(
        signature, str(wallet), landed.slot, *attempt, landed.err, landed.wire, moved
    )


def find_dex(wire: bytes, venues: Sequence[Venue]) -> Dex | None:
    """The exchange whose program the transaction calls first; ``None`` if it calls none."""
    message = VersionedTransaction.from_bytes(wire).message
    by_program = {venue.program: venue.dex for venue in venues}
    programs = (message.account_keys[each.program_id_index] for each in message.instructions)
    return next((by_program[each] for each in programs if each in by_program), None)
