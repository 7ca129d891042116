"""Amounts in the words of refusals: in units of their tokens where these are known."""

from __future__ import annotations

from typing import Final, NamedTuple

from solders.pubkey import Pubkey

from backend.chain.token_accounts import derive_token_address
from backend.domain.amounts import Token, format_amount
from backend.domain.errors import InvalidInput
from backend.domain.tokens import SOL, TokenRegistry
from backend.venues.spl import TOKEN_PROGRAMS

LAMPORTS: Final = "lamports"
"""What fees, tips and rent are counted under; everything else is a mint."""

_TOKENS: Final = TokenRegistry()


class Unit(NamedTuple):
    """What amounts of an item are told in: a name, and the decimals of a base unit."""

    name: str
    decimals: int

    def format(self, amount: int) -> str:
        """An amount of base units, without the name."""
        return format_amount(amount, self.decimals)


def find_unit(item: str) -> Unit:
    """The unit of what is counted: base units of a mint that is not known here."""
    if item == LAMPORTS:
        return Unit("SOL for fees, tips and rent", SOL.decimals)
    token = _find_token(item)
    return Unit(f"base units of {item}", 0) if token is None else Unit(token.symbol, token.decimals)


def name_token(mint: Pubkey) -> str:
    """The symbol of a mint, or the mint."""
    token = _find_token(str(mint))
    return str(mint) if token is None else token.symbol


def name_account(owner: Pubkey, account: Pubkey) -> str:
    """What is in an account, if it is the owner's of a token that is known; or the account."""
    for token in _TOKENS:
        mint = Pubkey.from_string(token.mint)
        if account in {derive_token_address(owner, mint, each) for each in TOKEN_PROGRAMS}:
            return token.symbol
    return str(account)


def _find_token(mint: str) -> Token | None:
    try:
        return _TOKENS.find(mint, "mint")
    except InvalidInput:
        return None
