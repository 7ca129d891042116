"""Settings of wallets: which ones there are, and how often they are reconciled."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode

from backend.config.comma_list import split_commas

WALLETS_MAX: Final = 16


class WalletSettings(BaseSettings):
    """Settings of wallets: which ones there are, and how often they are reconciled."""

    wallet_files: Annotated[tuple[Path, ...], NoDecode] = Field(
        (),
        description="Keypair files of several wallets, comma separated, in place of"
        " `ORDER_ENGINE_WALLET_FILE`: their transactions land side by side. An order stays with the"
        " wallet that signed for it first; orders that sell a share sell from the first wallet.",
    )
    wallet_password_file: Path | None = Field(
        None,
        description="File with the password of encrypted wallets (`order-engine wallet encrypt`),"
        " that only its owner can read.",
    )
    reconcile_s: float = Field(
        60,
        ge=0,
        le=86_400,
        description="Interval at which the balances of the wallets are compared with what orders"
        " explain, in seconds; 0: never.",
    )
    journal_reconciliation: Literal["on", "off"] = Field(
        "on",
        description="`on`: after PostgreSQL is another server, or was restarted or restored, the"
        " wallets' history is read before anything is signed, and what the journal lacks is"
        " adopted. `off`: the journal of any server is taken for complete, which synchronous"
        " standbys have to ensure.",
    )

    @field_validator("wallet_password_file", mode="before")
    @classmethod
    def _read_no_password_file(cls, path: object) -> object:
        return path or None  # an empty variable is none

    @field_validator("wallet_files", mode="before")
    @classmethod
    def _split_wallet_files(cls, paths: object) -> object:
        if not isinstance(paths, str):
            return paths
        return tuple(map(Path, split_commas(paths)))

    @field_validator("wallet_files")
    @classmethod
    def _check_wallet_files(cls, paths: tuple[Path, ...]) -> tuple[Path, ...]:
        if len(paths) > WALLETS_MAX:
            raise ValueError(f"at most {WALLETS_MAX} wallets can be used")
        if len(set(paths)) < len(paths):
            raise ValueError("a file is named twice")
        return paths
