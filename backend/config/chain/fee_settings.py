"""Settings of the priority fee."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings


class FeeSettings(BaseSettings):
    """Settings of the priority fee."""

    priority_fee: Literal["fixed", "auto"] = Field(
        "fixed",
        description="`fixed`: every transaction pays `ORDER_ENGINE_PRIORITY_FEE_MICROLAMPORTS`."
        " `auto`: it pays what recent blocks charged for the accounts that it locks"
        " (`getRecentPrioritizationFees`), that price at least, and the ceiling at most. An order"
        " may say otherwise (`priorityFee`, `maxFeeLamports`).",
    )
    priority_fee_percentile: int = Field(
        90,
        ge=1,
        le=100,
        description="With `auto`: the percentile of the prices of recent blocks that is paid.",
    )
    priority_fee_ceiling_lamports: int = Field(
        1_000_000,
        ge=0,
        le=10_000_000_000,
        description="Most lamports of the priority fee of one transaction, with `auto` and of what"
        " an order says. With `auto`, so many are kept free for each swap.",
    )
    priority_fee_factor: float = Field(
        1.5,
        ge=1,
        le=10,
        description="With `auto`: each further attempt of an order pays so many times the price,"
        " up to the ceiling.",
    )
