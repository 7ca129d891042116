"""The settings of fills, positions and prices."""

from __future__ import annotations

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings

from backend.domain.errors import InvalidInput
from backend.domain.tokens import TokenRegistry


class AccountingSettings(BaseSettings):
    """The settings of fills and positions, with their defaults."""

    reference_token: str = Field(
        "USDC",
        description="The token that fills are valued in, and in which positions have their cost and"
        " their profit and loss, and into which orders may still sell while trading is"
        " `REDUCING`: a symbol. The same for all processes.",
    )
    price_days: int = Field(
        30,
        ge=1,
        le=3_650,
        description="Days for which bars of a minute are kept of the prices of each pair that is"
        " read: 0.2 MB a day and pair at most. Bars of a second are kept for a day: 12 MB a pair.",
    )

    @field_validator("reference_token")
    @classmethod
    def _check_reference_token(cls, name: str) -> str:
        try:
            return TokenRegistry().find(name.strip(), "reference_token").symbol
        except InvalidInput as error:
            raise ValueError(error.reason) from None
