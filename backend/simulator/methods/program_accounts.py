"""``getProgramAccounts``, and the filters that it shares with ``programSubscribe``."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from solders.pubkey import Pubkey

from backend.simulator.chain.chain import Chain
from backend.simulator.fault_registry import FaultRegistry
from backend.simulator.faults import VenueOutage
from backend.simulator.methods.accounts import account_to_json
from backend.simulator.methods.params import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    CallOptions,
    Json,
    NoResponse,
    Params,
    RpcError,
    build_context,
    parse_pubkey,
)
from backend.simulator.wire import base58
from backend.venues.venue import Account

FILTERS_MAX: Final = 4
"""As on real nodes."""
_TEXT_LENGTH_MAX: Final = 176
"""128 bytes in base58."""
_ENCODINGS: Final = ("base58", "base64")


@dataclass(frozen=True, slots=True)
class ProgramFilters:
    """Which accounts of a program are meant: of this size, with these bytes at these offsets."""

    data_size: int | None
    bytes_at: Sequence[tuple[int, bytes]]

    def match(self, account: Account) -> bool:
        """Whether an account is meant."""
        data = account.data
        return (self.data_size is None or len(data) == self.data_size) and all(
            data[at : at + len(part)] == part for at, part in self.bytes_at
        )


def parse_filters(options: CallOptions) -> ProgramFilters:
    """Parse the ``filters`` of a call; without any, every account is meant. Raises ``RpcError``."""
    data_size, bytes_at = None, []
    for each in options.get_objects("filters", FILTERS_MAX):
        memcmp = each.get_object("memcmp")
        if memcmp is not None:
            bytes_at.append((memcmp.get_integer("offset") or 0, _parse_bytes(memcmp)))
            continue
        data_size = each.get_integer("dataSize")
        if data_size is None:
            raise RpcError(INVALID_PARAMS, "Invalid params: unknown filter")
    return ProgramFilters(data_size, bytes_at)


def _parse_bytes(memcmp: CallOptions) -> bytes:
    text, encoding = memcmp.get_string("bytes"), memcmp.get_choice("encoding", _ENCODINGS)
    if len(text) > _TEXT_LENGTH_MAX:
        raise RpcError(INVALID_PARAMS, "Invalid param: Memcmp filter too large")
    try:
        return base58.decode(text) if encoding == "base58" else b64decode(text, validate=True)
    except ValueError:
        raise RpcError(INVALID_PARAMS, "Invalid param: Memcmp filter bytes") from None


class ProgramMethods:
    """The method that lists the accounts of a program."""

    def __init__(self, chain: Chain, faults: FaultRegistry) -> None:
        self._chain = chain
        self._faults = faults

    def list_methods(self) -> Mapping[str, Callable[[Params], Json]]:
        """The handlers by method name."""
        return {"getProgramAccounts": self.get_program_accounts}

    def get_program_accounts(self, params: Params) -> Json:
        """``getProgramAccounts``, with ``filters`` and ``withContext``."""
        program, options = parse_pubkey(params.get_string(0)), params.get_options(1)
        filters = parse_filters(options)
        found = [
            {"pubkey": str(key), "account": account_to_json(account, options)}
            for key, account in self._list_accounts(program)
            if filters.match(account)
        ]
        if not options.get_flag("withContext"):
            return found
        return {"context": build_context(self._chain, options), "value": found}

    def _list_accounts(self, program: Pubkey) -> Sequence[tuple[Pubkey, Account]]:
        accounts = list(self._chain.list_program_accounts(program))
        dexes = {self._chain.pools.find_dex(key) for key, _ in accounts}
        outage = self._faults.trigger(VenueOutage, lambda fault: fault.venue in dexes)
        if outage is not None and outage.mode == "timeout":
            raise NoResponse
        if outage is not None:
            raise RpcError(
                INTERNAL_ERROR, f"Internal error: accounts of {outage.venue} cannot be read"
            )
        return accounts
