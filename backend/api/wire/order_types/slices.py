"""The fields of an order that say in which slices it is executed: their schema."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, Field

from backend.api.wire.fields import integral_to_int
from backend.domain.waiting.slices import INTERVAL_MAX_S, JITTER_MAX_BPS, SLICES_MAX, SLICES_MIN


class SlicesBody(BaseModel):
    """In which slices an order is executed."""

    slices: (
        Annotated[
            int,
            Field(
                strict=True,
                ge=SLICES_MIN,
                le=SLICES_MAX,
                description="In how many slices a `twap` is executed: at most one for each base"
                " unit of its amount.",
            ),
            BeforeValidator(integral_to_int),
        ]
        | None
    ) = None
    interval_s: (
        Annotated[
            int,
            Field(
                strict=True,
                ge=1,
                le=INTERVAL_MAX_S,
                description="The seconds from one slice of a `twap` to the next.",
            ),
            BeforeValidator(integral_to_int),
        ]
        | None
    ) = None
    jitter_bps: (
        Annotated[
            int,
            Field(
                strict=True,
                ge=0,
                le=JITTER_MAX_BPS,
                description="How far the weights by which the amount of a `twap` is divided may be"
                " from 1, and what part of the interval a slice may be later, in basis points; 0 by"
                " default.",
            ),
            BeforeValidator(integral_to_int),
        ]
        | None
    ) = None
