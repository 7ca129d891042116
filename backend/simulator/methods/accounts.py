"""Methods that read accounts, always from the newest block, whatever the commitment."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from solders.pubkey import Pubkey

from backend.domain.amounts import format_amount
from backend.simulator.chain.chain import Chain
from backend.simulator.chain.genesis import PROGRAM_LOADER
from backend.simulator.fault_registry import FaultRegistry
from backend.simulator.faults import VenueOutage
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
from backend.simulator.programs import token
from backend.venues.layout import compute_rent_exemption
from backend.venues.venue import Account

KEYS_MAX: Final = 100
_DATA_BYTES_MAX: Final = 10_485_760
_ENCODINGS: Final = ("base64",)


class AccountMethods:
    """The methods for accounts, balances and rent."""

    def __init__(self, chain: Chain, faults: FaultRegistry) -> None:
        self._chain = chain
        self._faults = faults

    def list_methods(self) -> Mapping[str, Callable[[Params], Json]]:
        """The handlers by method name."""
        return {
            "getAccountInfo": self.get_account_info,
            "getBalance": self.get_balance,
            "getMinimumBalanceForRentExemption": self.get_minimum_balance_for_rent_exemption,
            "getMultipleAccounts": self.get_multiple_accounts,
            "getTokenAccountBalance": self.get_token_account_balance,
        }

    def get_account_info(self, params: Params) -> Json:
        """``getAccountInfo``."""
        key, options = parse_pubkey(params.get_string(0)), params.get_options(1)
        return {
            "context": build_context(self._chain, options),
            "value": account_to_json(self._read_account(key), options),
        }

    def get_multiple_accounts(self, params: Params) -> Json:
        """``getMultipleAccounts``, at most 100."""
        keys = [parse_pubkey(text) for text in params.get_strings(0, KEYS_MAX)]
        options = params.get_options(1)
        return {
            "context": build_context(self._chain, options),
            "value": [account_to_json(account, options) for account in self._read_accounts(keys)],
        }

    def get_balance(self, params: Params) -> Json:
        """``getBalance``."""
        account = self._read_account(parse_pubkey(params.get_string(0)))
        return {
            "context": build_context(self._chain, params.get_options(1)),
            "value": 0 if account is None else account.lamports,
        }

    def get_token_account_balance(self, params: Params) -> Json:
        """``getTokenAccountBalance``."""
        account = self._read_account(parse_pubkey(params.get_string(0)))
        if account is None:
            raise RpcError(INVALID_PARAMS, "Invalid param: could not find account")
        if not token.is_token_account(account):
            raise RpcError(INVALID_PARAMS, "Invalid param: not a Token account")
        decimals = self._chain.launches.get_decimals(str(Pubkey(account.data[:32])))
        return {
            "context": build_context(self._chain, params.get_options(1)),
            "value": amount_to_json(token.read_amount(account), decimals),
        }

    def get_minimum_balance_for_rent_exemption(self, params: Params) -> Json:
        """``getMinimumBalanceForRentExemption``."""
        return compute_rent_exemption(params.get_integer(0, _DATA_BYTES_MAX))

    def _read_account(self, key: Pubkey) -> Account | None:
        return self._read_accounts([key])[0]

    def _read_accounts(self, keys: Sequence[Pubkey]) -> list[Account | None]:
        """Read accounts; all of the read fails if one belongs to a venue with an outage."""
        dexes = {self._chain.pools.find_dex(key) for key in keys}
        outage = self._faults.trigger(VenueOutage, lambda fault: fault.venue in dexes)
        if outage is not None and outage.mode == "timeout":
            raise NoResponse
        if outage is not None:
            raise RpcError(
                INTERNAL_ERROR, f"Internal error: accounts of {outage.venue} cannot be read"
            )
        return [self._chain.get_account(key) for key in keys]


def account_to_json(account: Account | None, options: CallOptions) -> Json:
    """An account as JSON, with its data in base64."""
    options.get_choice("encoding", _ENCODINGS)
    if account is None:
        return None
    data = account.data
    data_slice = options.get_object("dataSlice")
    if data_slice is not None:
        offset, length = (
            data_slice.get_integer("offset") or 0,
            data_slice.get_integer("length") or 0,
        )
        data = data[offset : offset + length]
    return {
        "data": [b64encode(data).decode(), "base64"],
        "executable": account.owner == PROGRAM_LOADER,
        "lamports": account.lamports,
        "owner": str(account.owner),
        "rentEpoch": 2**64 - 1,
        "space": len(account.data),
    }


def amount_to_json(amount: int, decimals: int) -> Json:
    """A token amount as JSON."""
    return {
        "amount": str(amount),
        "decimals": decimals,
        "uiAmount": None,  # a float on real nodes, and deprecated there
        "uiAmountString": format_amount(amount, decimals),
    }
