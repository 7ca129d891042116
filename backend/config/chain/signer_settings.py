"""Settings of the signer: where it is, and what it permits."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final, NamedTuple

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings

from backend.config.comma_list import split_commas
from backend.domain.errors import InvalidInput
from backend.domain.tokens import TokenRegistry, is_public_key

ANY_MINT: Final = "*"
"""Stands for all tokens that a list of limits does not name, and which are not limited."""
_TIP_ACCOUNTS: Final = (
    "96gYZGLnJYVFmbjzopPSU6QiEV5fGqZNyN9nmNhvrZU5,"
    "HFqU5x63VTqvQss8hp11i4wVV8bD44PvwucfZ2bU7gRe,"
    "Cw8CFyM9FkoMi7K7Crf6HNQqf4uEMzpKw6QNghXLvLkY,"
    "ADaUMid9yfUytqMBgopwjb2DTLSokTSzL1zt6iGPaS49,"
    "DfXygSm4jCyNCybVYYK6DwvWqjKee8pbDmJGcLWNDXjh,"
    "ADuUkR4vqLUMWXxW9gh6D6L8pMSawimctcNZ5pGwDcEt,"
    "DttWaMuVvTiduZRnguLF7jNxTgiMBZ1hyAumKUiL2KRL,"
    "3AVi9Tg9Uo68tJfuvoKvqKNWKkC5wPdSSdeBnizKZ6jT"
)


class DayLimits(NamedTuple):
    """The most base units of each mint that are sold on a day.

    Others are sold without a limit if ``permits_others``, and else not at all.
    """

    by_mint: dict[str, int]
    permits_others: bool


class SignerSettings(BaseSettings):
    """Settings of the signer: where it is, and what it permits."""

    signer_socket: Path | None = Field(
        None,
        description="Unix socket of a signer (`order-engine signer`), whose wallets are used in"
        " place of `ORDER_ENGINE_WALLET_FILE`: no other process then reads a key.",
    )
    signer_day_limits: str = Field(
        "",
        description="What the signer permits to sell on a day (UTC) for each wallet, such as"
        " `SOL=50,USDC=5000`: in tokens by their symbol, in base units by their mint. `*`"
        " permits all others without a limit; else none of them is sold.",
    )
    signer_day_fees_sol: Decimal = Field(
        Decimal(1),
        ge=0,
        le=1_000_000,
        decimal_places=9,
        description="SOL that the signer permits to pay on a day (UTC) for each wallet, for fees,"
        " tips and rent.",
    )
    signer_fee_lamports_max: int = Field(
        10_000_000,
        ge=5_000,
        le=10_000_000_000,
        description="Most lamports that the signer permits for fee and tip of one transaction.",
    )
    signer_tip_accounts: str = Field(
        _TIP_ACCOUNTS,
        description="Accounts that the signer permits to tip, separated by commas: those of Jito.",
    )
    signer_count_file: Path | None = Field(
        None,
        description="File in which the signer counts what it has permitted on a day. Unset: beside"
        " the first wallet's, with `.count`.",
    )
    signer_users: str = Field(
        "",
        description="Names or numbers of users whose processes may use the signer, separated by"
        " commas. Empty: its own user only.",
    )

    @field_validator("signer_socket", "signer_count_file", mode="before")
    @classmethod
    def _read_no_signer_path(cls, path: object) -> object:
        return path or None  # an empty variable is none

    @field_validator("signer_day_limits")
    @classmethod
    def _check_day_limits(cls, text: str) -> str:
        _parse_day_limits(text)
        return text

    @field_validator("signer_tip_accounts")
    @classmethod
    def _check_tip_accounts(cls, text: str) -> str:
        for address in split_commas(text):
            if not is_public_key(address):
                raise ValueError(f"is no list of addresses in base58: {address!r}")
        return text

    def parse_day_limits(self) -> DayLimits:
        """The limits of ``signer_day_limits`` in base units."""
        return _parse_day_limits(self.signer_day_limits)


def _parse_day_limits(text: str) -> DayLimits:
    by_mint: dict[str, int] = {}
    entries = split_commas(text)
    for entry in entries:
        if entry == ANY_MINT:
            continue
        name, _, amount = (part.strip() for part in entry.partition("="))
        mint, decimals = _find_mint(name)
        if mint in by_mint:
            raise ValueError(f"names {name} twice")
        by_mint[mint] = _parse_units(name, amount, decimals)
    return DayLimits(by_mint, ANY_MINT in entries)


def _find_mint(name: str) -> tuple[str, int]:
    if is_public_key(name):
        return name, 0
    try:
        token = TokenRegistry().find(name, "token")
    except InvalidInput:
        raise ValueError(f"names no token: {name!r}; write SOL=50 or MINT=BASE_UNITS") from None
    return token.mint, token.decimals


def _parse_units(name: str, amount: str, decimals: int) -> int:
    try:
        units = Decimal(amount).scaleb(decimals)
        is_valid = units >= 0 and units == int(units)
    except (InvalidOperation, ValueError, OverflowError):
        is_valid = False
    if not is_valid:
        raise ValueError(f"has no amount of {name}: {amount!r}")
    return int(units)
