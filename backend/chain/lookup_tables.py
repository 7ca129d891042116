"""Reads the address lookup tables that transactions of several swaps use, and keeps them current.

They are an optimization: without one, or before the first read, a transaction names all of its
accounts itself, and an order is split over fewer pools.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from solders.address_lookup_table_account import AddressLookupTableAccount
from solders.pubkey import Pubkey

from backend.chain.nodes.solana_node import SolanaNode
from backend.domain.errors import EngineError, Rejected
from backend.runtime import observe, observe_routing
from backend.venues.lookup_table import LookupTable, decode_lookup_table
from backend.venues.venue import Account

REFRESH_S: Final = 300.0
"""The interval of the reads."""
SOON_S: Final = 5.0
"""The time to the next read if a read failed, or found addresses that are not usable yet."""


class LookupTables:
    """The tables at some addresses; ``run`` must be running.

    ``usable`` are those that a transaction can name, with the addresses that it can name in them.
    """

    def __init__(self, rpc: SolanaNode, addresses: Sequence[Pubkey]) -> None:
        self._rpc = rpc
        self._addresses = tuple(addresses)
        self._reasons: dict[Pubkey, str] = {}
        self.usable: Sequence[AddressLookupTableAccount] = ()

    async def run(self) -> None:
        """Read the tables at once and at an interval, until cancelled."""
        while self._addresses:
            try:
                is_complete = await self.refresh()
            except EngineError as error:
                observe.chain_query_failed("read lookup tables", error)
                is_complete = False
            await asyncio.sleep(REFRESH_S if is_complete else SOON_S)

    async def refresh(self) -> bool:
        """Read the tables once; ``False`` if one has addresses that become usable soon.

        A table that cannot be used is left out, and its reason is logged when it is new. Raises
        ``EngineError`` if the node does not answer: then the tables stay as they are.
        """
        slot, accounts = await self._rpc.get_multiple_accounts(self._addresses)
        usable: list[AddressLookupTableAccount] = []
        is_complete = True
        for address, account in zip(self._addresses, accounts, strict=True):
            table = self._decode(address, account)
            if table is None:
                continue
            addresses = table.list_usable(slot)
            is_complete &= len(addresses) == len(table.addresses)
            if addresses:
                usable.append(AddressLookupTableAccount(address, list(addresses)))
        self.usable = tuple(usable)
        return is_complete

    def _decode(self, address: Pubkey, account: Account | None) -> LookupTable | None:
        """The table at an address; ``None`` if it cannot be used, which is logged once."""
        try:
            table = decode_lookup_table(account)
            if table.is_active:
                self._reasons.pop(address, None)
                return table
            reason = f"the table is deactivated since slot {table.deactivation_slot}"
        except Rejected as error:
            reason = error.reason
        if self._reasons.get(address) != reason:
            self._reasons[address] = reason
            observe_routing.lookup_table_ignored(str(address), reason)
        return None
