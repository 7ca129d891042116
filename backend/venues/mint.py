"""What a mint's account says of its token: decimals, authorities, and the fee of a transfer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from solders.pubkey import Pubkey

from backend.domain.errors import Rejected
from backend.venues.layout import Layout, key, u8, u32, u64
from backend.venues.spl import TOKEN_PROGRAMS, TransferFee, read_transfer_fee
from backend.venues.venue import Account


@dataclass(frozen=True, slots=True)
class _MintRecord:
    has_mint_authority: Annotated[int, u32(0)]
    mint_authority: Annotated[Pubkey, key(4)]
    supply: Annotated[int, u64(36)]
    decimals: Annotated[int, u8(44)]
    is_initialized: Annotated[int, u8(45)]
    has_freeze_authority: Annotated[int, u32(46)]
    freeze_authority: Annotated[Pubkey, key(50)]


_MINT = Layout(_MintRecord, "mint", 82)


@dataclass(frozen=True, slots=True)
class MintFacts:
    """A token as its mint's account shows it in one epoch.

    ``mint_authority`` can create more of it and ``freeze_authority`` can freeze its accounts;
    ``None`` once nobody can, which is for good. ``supply`` is in base units.
    """

    token_program: Pubkey
    decimals: int
    supply: int
    mint_authority: Pubkey | None
    freeze_authority: Pubkey | None
    transfer_fee: TransferFee | None


def read_mint(mint: Pubkey, account: Account | None, epoch: int) -> MintFacts:
    """Read the account of a mint of either token program.

    Raises ``Rejected``: ``invalid_mint`` if it is no mint, ``unsupported_mint`` if a transfer of
    its token would have an effect that cannot be computed.
    """
    if account is None or account.owner not in TOKEN_PROGRAMS:
        raise Rejected("invalid_mint", f"{mint} is not the mint of a token")
    try:
        record = _MINT.read(account.data)
    except Rejected as refusal:
        raise Rejected("invalid_mint", f"{mint} is not the mint of a token") from refusal
    fee = read_transfer_fee(mint, account, epoch)
    return MintFacts(
        account.owner,
        record.decimals,
        record.supply,
        record.mint_authority if record.has_mint_authority else None,
        record.freeze_authority if record.has_freeze_authority else None,
        fee,
    )
