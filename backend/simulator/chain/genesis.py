"""The accounts of a new chain besides the pools: the mints and the funded paper wallet."""

from __future__ import annotations

from typing import Final

from solders.keypair import Keypair
from solders.pubkey import Pubkey

from backend.chain.wire import PAPER_WALLET_SEED
from backend.domain.amounts import U64_MAX
from backend.domain.tokens import KNOWN_TOKENS, SOL
from backend.simulator.market.mints import FEE_TOKEN, encode_fee_token
from backend.simulator.market.prices import usd_price_e6
from backend.simulator.options import SimulatorOptions
from backend.venues import Venues
from backend.venues.layout import compute_rent_exemption
from backend.venues.spl import (
    MINT,
    SYSTEM_PROGRAM,
    TOKEN_2022_PROGRAM,
    TOKEN_PROGRAM,
    Mint,
    derive_ata,
    make_token_account,
)
from backend.venues.venue import Account

PAPER_WALLET: Final = Keypair.from_seed(PAPER_WALLET_SEED)
"""A well-known key that is funded at genesis; airdrops are paid from it."""
TIP_PROGRAM: Final = Pubkey.from_string("T1pyyaTNZsKv2WcRAB8oVnk93mLJw2XzjtVYqCsaHqt")
TIP_ACCOUNTS: Final = tuple(
    Pubkey.find_program_address([b"TIP_ACCOUNT_%d" % number], TIP_PROGRAM)[0] for number in range(8)
)
"""The addresses of the program's tip accounts, which bundles have to pay."""

PROGRAM_LOADER: Final = Pubkey.from_string("BPFLoaderUpgradeab1e11111111111111111111111")
"""Owns the accounts of programs, which can be called."""
_PROGRAM_RECORD: Final = (2).to_bytes(4, "little")
_WALLET_USD: Final = 1_000_000_000
_WALLET_SOL_MIN: Final = 10_000_000
_MINT_SUPPLY: Final = U64_MAX // 2


def build_mint_accounts(options: SimulatorOptions) -> dict[Pubkey, Account]:
    """The mint accounts of a chain's tokens; they never change."""
    mints = {
        Pubkey.from_string(token.mint): Account(
            TOKEN_PROGRAM,
            compute_rent_exemption(MINT.size),
            MINT.write(Mint(_MINT_SUPPLY, token.decimals)),
        )
        for token in KNOWN_TOKENS
    }
    if options.has_many_pools:
        mints[Pubkey.from_string(FEE_TOKEN.mint)] = encode_fee_token()
    return mints


def build_program_accounts(venues: Venues) -> dict[Pubkey, Account]:
    """The accounts of the exchange programs, each of which names the one that has its code."""
    accounts = {}
    for venue in venues.hosted:
        code, _ = Pubkey.find_program_address([bytes(venue.program)], PROGRAM_LOADER)
        data = _PROGRAM_RECORD + bytes(code)
        accounts[venue.program] = Account(PROGRAM_LOADER, compute_rent_exemption(len(data)), data)
    return accounts


def build_tip_accounts() -> dict[Pubkey, Account]:
    """The accounts that take the tips of bundles."""
    rent = compute_rent_exemption(0)
    return {key: Account(TIP_PROGRAM, rent, b"") for key in TIP_ACCOUNTS}


def build_wallet_accounts(options: SimulatorOptions) -> dict[Pubkey, Account]:
    """The accounts of the paper wallet, worth about a billion dollars of every token."""
    owner, sol_price = PAPER_WALLET.pubkey(), options.sol_price
    lamports = max(_WALLET_USD // sol_price, _WALLET_SOL_MIN) * 10**SOL.decimals
    accounts = {owner: Account(SYSTEM_PROGRAM, lamports, b"")}
    tokens = {token: TOKEN_PROGRAM for token in KNOWN_TOKENS if token != SOL}
    if options.has_many_pools:
        tokens[FEE_TOKEN] = TOKEN_2022_PROGRAM
    for token, program in tokens.items():
        amount = _WALLET_USD * 10**token.decimals * 1_000_000 // usd_price_e6(token, sol_price)
        mint = Pubkey.from_string(token.mint)
        account = make_token_account(mint, owner, amount, program)
        accounts[derive_ata(owner, mint, program)] = account
    return accounts
