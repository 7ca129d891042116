"""What exists on a new chain besides the pools: the tokens, and the paper wallet's riches."""

from __future__ import annotations

from typing import Final

from solders.pubkey import Pubkey

from backend.domain.amounts import U64_MAX
from backend.domain.tokens import KNOWN, SOL
from backend.simulator.market.prices import dollars_e6
from backend.simulator.wire.paper_wallet import PAPER_WALLET
from backend.venues.layout import rent_exempt
from backend.venues.spl import MINT, SYSTEM_PROGRAM, TOKEN_PROGRAM, Mint, ata, token_account
from backend.venues.venue import Account

_WALLET_DOLLARS: Final = 1_000_000_000
_WALLET_SOL_LEAST: Final = 10_000_000
_SUPPLY: Final = U64_MAX // 2


def mints() -> dict[Pubkey, Account]:
    """The mints of the known tokens; they never change."""
    return {
        Pubkey.from_string(token.mint): Account(
            TOKEN_PROGRAM, rent_exempt(MINT.size), MINT.write(Mint(_SUPPLY, token.decimals))
        )
        for token in KNOWN
    }


def wallets(sol_price: int) -> dict[Pubkey, Account]:
    """The paper wallet with about a billion dollars of every token."""
    owner = PAPER_WALLET.pubkey()
    lamports = max(_WALLET_DOLLARS // sol_price, _WALLET_SOL_LEAST) * 10**SOL.decimals
    accounts = {owner: Account(SYSTEM_PROGRAM, lamports, b"")}
    for token in KNOWN:
        if token == SOL:
            continue
        amount = _WALLET_DOLLARS * 10**token.decimals * 1_000_000 // dollars_e6(token, sol_price)
        mint = Pubkey.from_string(token.mint)
        accounts[ata(owner, mint)] = token_account(mint, owner, amount)
    return accounts
