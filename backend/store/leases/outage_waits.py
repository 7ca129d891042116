"""What a lease notes of an order that waits for the end of an outage."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple
from uuid import UUID


class OutageWaited(NamedTuple):
    """For how long an order has waited for the end of an outage, and the code of what is away."""

    seconds: float
    code: str


NO_WAITS: Final[Mapping[UUID, OutageWaited]] = MappingProxyType({})
