"""Headers that tell what is left of an owner's own rate, beside that of all owners."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Final

from backend.domain.limits.measures import RateLeft

POLICY: Final = "owner"
"""The name of an owner's own rate in the headers."""
_POLICY_HEADER: Final = "RateLimit-Policy"
_LEFT_HEADER: Final = "RateLimit"


def tell_rate(headers: MutableMapping[str, str], rate: RateLeft) -> None:
    """Add what is left of a rate to the headers of a response."""
    _add(headers, _POLICY_HEADER, f'"{POLICY}";q={rate.bound};w=1')
    _add(headers, _LEFT_HEADER, f'"{POLICY}";r={rate.left};t=1')


def _add(headers: MutableMapping[str, str], name: str, value: str) -> None:
    others = headers.get(name)
    headers[name] = f"{others}, {value}" if others else value
