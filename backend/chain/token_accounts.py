"""Token accounts of a wallet: their addresses, and the instructions that open and close them."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey
from solders.system_program import CreateAccountWithSeedParams, create_account_with_seed

from backend.domain.amounts import U64_MAX
from backend.domain.errors import Rejected
from backend.venues.spl import (
    ATA_PROGRAM,
    NATIVE_MINT,
    SYSTEM_PROGRAM,
    TOKEN_ACCOUNT,
    TOKEN_ACCOUNT_RENT,
    TOKEN_PROGRAM,
    derive_ata,
)

_CACHE_MAX: Final = 4_096


@lru_cache(_CACHE_MAX)
def derive_token_address(
    owner: Pubkey, mint: Pubkey, token_program: Pubkey = TOKEN_PROGRAM
) -> Pubkey:
    """Derive the address of a wallet's token account; cached, as the search hashes repeatedly."""
    return derive_ata(owner, mint, token_program)


def build_open_wrapped(
    owner: Pubkey, account: Pubkey, seed: str, amount: int
) -> tuple[Instruction, Instruction]:
    """Build what opens a token account of SOL under a seed, with ``amount`` lamports wrapped.

    Raises ``Rejected`` (``amount_too_large``) if the account cannot hold as many.
    """
    if TOKEN_ACCOUNT_RENT + amount > U64_MAX:
        raise Rejected("amount_too_large", "no account can hold so much SOL besides its rent")
    create = create_account_with_seed(
        CreateAccountWithSeedParams(
            from_pubkey=owner,
            to_pubkey=account,
            base=owner,
            seed=seed,
            lamports=TOKEN_ACCOUNT_RENT + amount,
            space=TOKEN_ACCOUNT.size,
            owner=TOKEN_PROGRAM,
        )
    )
    # InitializeAccount3 counts lamports above the rent as the balance: no SyncNative is needed.
    initialize = Instruction(
        TOKEN_PROGRAM,
        b"\x12" + bytes(owner),
        [
            AccountMeta(account, is_signer=False, is_writable=True),
            AccountMeta(NATIVE_MINT, is_signer=False, is_writable=False),
        ],
    )
    return create, initialize


def build_close_account(account: Pubkey, owner: Pubkey) -> Instruction:
    """Build what closes a token account: its lamports return to the owner, unwrapped."""
    return Instruction(
        TOKEN_PROGRAM,
        b"\x09",
        [
            AccountMeta(account, is_signer=False, is_writable=True),
            AccountMeta(owner, is_signer=False, is_writable=True),
            AccountMeta(owner, is_signer=True, is_writable=False),
        ],
    )


@lru_cache(_CACHE_MAX)
def build_create_ata(owner: Pubkey, mint: Pubkey, token_program: Pubkey) -> Instruction:
    """Build what opens the wallet's token account of a mint, unless there is one."""
    return Instruction(
        ATA_PROGRAM,
        b"\x01",
        [
            AccountMeta(owner, is_signer=True, is_writable=True),
            AccountMeta(
                derive_token_address(owner, mint, token_program), is_signer=False, is_writable=True
            ),
            AccountMeta(owner, is_signer=False, is_writable=False),
            AccountMeta(mint, is_signer=False, is_writable=False),
            AccountMeta(SYSTEM_PROGRAM, is_signer=False, is_writable=False),
            AccountMeta(token_program, is_signer=False, is_writable=False),
        ],
    )
