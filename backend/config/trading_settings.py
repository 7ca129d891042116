"""Settings of who may stop trading, and of what stops it by itself."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode

from backend.config.comma_list import split_commas


class TradingSettings(BaseSettings):
    """Settings of who may stop trading, and of what stops it by itself."""

    admin_owners: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Owners of `ORDER_ENGINE_API_KEYS` whose keys have the scope `admin`, so that"
        " they may halt and resume trading, separated by commas. Empty: those of a single owner"
        " have it. Without keys, callers on this machine may halt.",
    )
    breaker_failures: int = Field(
        0,
        ge=0,
        le=1_000,
        description="Transactions in a row that fail on chain after which trading is halted, until"
        " a person resumes it; 0: never.",
    )
    breaker_loss_bps: int = Field(
        0,
        ge=0,
        le=10_000,
        description="Mean loss of orders against their quotes above which trading is halted, in"
        " basis points; 0: never.",
    )
    breaker_loss_orders: int = Field(
        20,
        ge=1,
        le=1_000,
        description="Number of the latest filled orders of which that mean is taken.",
    )
    breaker_floor_sol: Decimal = Field(
        Decimal(0),
        ge=0,
        le=1_000_000_000,
        description="SOL of a wallet below which trading is halted, once until it has been above"
        " again; 0: never.",
    )
    audit_seal_s: float = Field(
        60,
        ge=0,
        le=86_400,
        description="Interval at which workers seal the events of orders in the audit log, in"
        " seconds; 0: never.",
    )

    @field_validator("admin_owners", mode="before")
    @classmethod
    def _split_admin_owners(cls, owners: object) -> object:
        if not isinstance(owners, str):
            return owners
        return tuple(split_commas(owners))
