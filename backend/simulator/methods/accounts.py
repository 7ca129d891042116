"""Reading accounts. They are those of the newest block, whatever the commitment."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from solders.pubkey import Pubkey

from backend.domain.amounts import format_amount
from backend.domain.tokens import KNOWN
from backend.simulator.chain.chain import Chain
from backend.simulator.faults import Down, Faults
from backend.simulator.methods.params import (
    INTERNAL,
    INVALID_PARAMS,
    Json,
    Options,
    Params,
    RpcError,
    Silence,
    context,
    pubkey,
)
from backend.simulator.programs import token
from backend.venues.layout import rent_exempt
from backend.venues.venue import Account

KEYS_MAX: Final = 100
_DATA_MAX: Final = 10_485_760
_ENCODINGS: Final = ("base64",)
_DECIMALS: Final = {each.mint: each.decimals for each in KNOWN}


class AccountMethods:
    """Accounts, balances and rent."""

    def __init__(self, chain: Chain, faults: Faults) -> None:
        self._chain = chain
        self._faults = faults

    def methods(self) -> Mapping[str, Callable[[Params], Json]]:
        """By name."""
        return {
            "getAccountInfo": self.account_info,
            "getBalance": self.balance,
            "getMinimumBalanceForRentExemption": self.rent,
            "getMultipleAccounts": self.multiple_accounts,
            "getTokenAccountBalance": self.token_account_balance,
        }

    def account_info(self, params: Params) -> Json:
        """``getAccountInfo``."""
        key, options = pubkey(params.text(0)), params.options(1)
        return {
            "context": context(self._chain, options),
            "value": render(self._read(key), options),
        }

    def multiple_accounts(self, params: Params) -> Json:
        """``getMultipleAccounts``, of at most 100."""
        keys = [pubkey(text) for text in params.texts(0, KEYS_MAX)]
        options = params.options(1)
        return {
            "context": context(self._chain, options),
            "value": [render(account, options) for account in self._read_all(keys)],
        }

    def balance(self, params: Params) -> Json:
        """``getBalance``."""
        account = self._read(pubkey(params.text(0)))
        return {
            "context": context(self._chain, params.options(1)),
            "value": 0 if account is None else account.lamports,
        }

    def token_account_balance(self, params: Params) -> Json:
        """``getTokenAccountBalance``."""
        account = self._read(pubkey(params.text(0)))
        if account is None:
            raise RpcError(INVALID_PARAMS, "Invalid param: could not find account")
        if not token.is_holding(account):
            raise RpcError(INVALID_PARAMS, "Invalid param: not a Token account")
        mint = str(Pubkey(account.data[:32]))
        return {
            "context": context(self._chain, params.options(1)),
            "value": ui_amount(mint, token.amount_of(account)),
        }

    def rent(self, params: Params) -> Json:
        """``getMinimumBalanceForRentExemption``."""
        return rent_exempt(params.number(0, _DATA_MAX))

    def _read(self, key: Pubkey) -> Account | None:
        return self._read_all([key])[0]

    def _read_all(self, keys: Sequence[Pubkey]) -> list[Account | None]:
        """The accounts, unless one belongs to a venue that is down: then none of them."""
        dexes = {self._chain.pools.dex_of(key) for key in keys}
        down = self._faults.strike(Down, lambda fault: fault.venue in dexes)
        if down is not None and down.mode == "timeout":
            raise Silence
        if down is not None:
            raise RpcError(INTERNAL, f"Internal error: accounts of {down.venue} cannot be read")
        return [self._chain.account(key) for key in keys]


def render(account: Account | None, options: Options) -> Json:
    """An account as JSON, in base64."""
    options.word("encoding", _ENCODINGS)
    if account is None:
        return None
    data = account.data
    part = options.inner("dataSlice")
    if part is not None:
        offset, length = part.number("offset") or 0, part.number("length") or 0
        data = data[offset : offset + length]
    return {
        "data": [b64encode(data).decode(), "base64"],
        "executable": False,
        "lamports": account.lamports,
        "owner": str(account.owner),
        "rentEpoch": 2**64 - 1,
        "space": len(account.data),
    }


def ui_amount(mint: str, amount: int) -> Json:
    """An amount of a token as JSON."""
    decimals = _DECIMALS.get(mint, 0)
    return {
        "amount": str(amount),
        "decimals": decimals,
        "uiAmount": None,  # a float on real nodes, and deprecated there
        "uiAmountString": format_amount(amount, decimals),
    }
