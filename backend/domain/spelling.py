"""What a name that nobody knows was probably meant to be: a misspelt field, parameter or token."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from functools import lru_cache
from typing import Final

_LENGTH_MAX: Final = 64
"""Longer names get no suggestion: the cost of a comparison grows with the square of the length."""
_SIMILARITY_MIN: Final = 0.7


def suggest_name(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like ``name``; ``None`` if none is like it.

    Case, ``_`` and ``-`` do not count: ``token_in`` and ``TOKENIN`` are ``tokenIn``. A comparison
    takes some microseconds for each known name: call it for a bounded number of names.
    """
    return None if len(name) > _LENGTH_MAX else _suggest(name, tuple(known))


def add_suggestion(reason: str, name: str, known: Iterable[str]) -> str:
    """A reason with ``: did you mean …?`` behind it, if a known name is like ``name``."""
    meant = suggest_name(name, known)
    return reason if meant is None else f"{reason}: did you mean {meant}?"


@lru_cache(256)
def _suggest(name: str, known: tuple[str, ...]) -> str | None:
    by_plain_form = {_to_plain_form(each): each for each in reversed(known)}
    plain_form = _to_plain_form(name)
    if plain_form in by_plain_form:
        return by_plain_form[plain_form]
    matches = get_close_matches(plain_form, by_plain_form, cutoff=_SIMILARITY_MIN)
    if not matches:
        return None
    letters = sorted(plain_form)  # of the same letters first: USCD is USDC, not USDT
    return by_plain_form[min(matches, key=lambda match: sorted(match) != letters)]


def _to_plain_form(name: str) -> str:
    return name.casefold().replace("_", "").replace("-", "")
