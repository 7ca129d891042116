"""Reads the fields of a form, and collects what is wrong with each of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Final, TypeVar

from tui.model.pairs import split_pair
from tui.settings import BatchForm

NEEDED: Final = "is needed"
"""The error of a field that is empty and may not be."""
_DIGITS_MAX: Final = 18
_DURATION: Final = re.compile(r"(?:\d{1,7}[smhdw]\s*){1,5}")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

_T = TypeVar("_T")


class InvalidPlan(Exception):
    """Some fields are invalid; ``errors`` has a sentence for each of them."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__("; ".join(errors.values()))
        self.errors = dict(errors)


class FormReader:
    """Reads the fields of a form and collects all errors, so that they are reported together."""

    def __init__(self, form: BatchForm, defaults: BatchForm) -> None:
        self._form = form
        self._defaults = defaults
        self.errors: dict[str, str] = {}

    def read_integer(self, field: str, minimum: int, maximum: int) -> int:
        """Read a whole number within a range."""
        text = self.read_text(field)
        if not (text.isascii() and text.isdigit()) or len(text) > _DIGITS_MAX + 1:
            return self.reject(field, "must be a whole number", minimum)
        if not minimum <= int(text) <= maximum:
            return self.reject(field, f"must be from {minimum:,} to {maximum:,}", minimum)
        return int(text)

    def read_decimal(
        self,
        field: str,
        *,
        minimum: Decimal | None = None,
        maximum: Decimal | None = None,
        decimals: int = _DIGITS_MAX,
        is_optional: bool = False,
    ) -> Decimal | None:
        """Read a decimal; it must be more than 0 unless ``minimum`` allows less."""
        text = self.read_text(field)
        if not text:
            return None if is_optional else self.reject(field, NEEDED, None)
        try:
            value = Decimal(text) if len(text) <= _DIGITS_MAX else Decimal("NaN")
        except InvalidOperation:
            value = Decimal("NaN")
        if not value.is_finite() or abs(value.adjusted()) > _DIGITS_MAX:
            return self.reject(field, "must be a number", None)
        if count_decimals(value) > decimals:
            return self.reject(field, f"must have at most {decimals} decimals", None)
        if value < (minimum or 0) or (minimum is None and not value):
            return self.reject(
                field, f"must be {f'at least {minimum}' if minimum else 'more than 0'}", None
            )
        if maximum is not None and value > maximum:
            return self.reject(field, f"must be at most {maximum}", None)
        return value

    def read_optional_integer(self, field: str, minimum: int, maximum: int) -> int | None:
        """Read a whole number within a range; ``None`` if the field is empty."""
        return self.read_integer(field, minimum, maximum) if self.read_text(field) else None

    def read_bps(
        self, field: str, minimum: Decimal, maximum: Decimal, *, is_optional: bool = False
    ) -> int | None:
        """Read per cent within a range, as basis points."""
        percent = self.read_decimal(
            field, minimum=minimum, maximum=maximum, decimals=2, is_optional=is_optional
        )
        return None if percent is None else int(percent * 100)

    def read_seconds(
        self, field: str, minimum: int, maximum: int, *, is_optional: bool = False
    ) -> int | None:
        """Read a time as ``30s`` or ``1h30m``, or as a number of seconds."""
        text = self.read_text(field)
        if not text:
            return None if is_optional else self.reject(field, NEEDED, None)
        length = parse_duration(f"{text}s" if text.isascii() and text.isdigit() else text)
        if length is None:
            return self.reject(field, "write 30s, 5m or 2h", None)
        seconds = int(length.total_seconds())
        if not minimum <= seconds <= maximum:
            return self.reject(field, f"must be from {minimum} s to {maximum:,} s", None)
        return seconds

    def read_choice(self, field: str, options: Sequence[str]) -> str:
        """Read one of some words."""
        text = self.read_text(field)
        if text not in options:
            return self.reject(field, f"must be one of {', '.join(options)}", options[0])
        return text

    def read_pairs(self, field: str) -> tuple[str, ...]:
        """Read the names of pairs, with spaces between."""
        names = tuple(dict.fromkeys(self.read_text(field).split()))
        if not names:
            return self.reject(field, "choose a pair at least", names)
        for name in names:
            try:
                split_pair(name, "sell")
            except ValueError as error:
                return self.reject(field, str(error), names)
        return names

    def read_text(self, field: str) -> str:
        """The text of a field; that of the defaults if the form does not have it."""
        return self._form.get(field, self._defaults.get(field, "")).strip()

    def reject(self, field: str, reason: str, value: _T) -> _T:
        """Add the error of a field; returns the value to go on with."""
        self.errors[field] = reason
        return value


def parse_duration(text: str) -> timedelta | None:
    """Parse ``2h`` or ``1d12h``; ``None`` if it is no duration."""
    if not _DURATION.fullmatch(text):
        return None
    parts = re.findall(r"(\d+)([smhdw])", text)
    return sum((timedelta(**{_UNITS[unit]: int(n)}) for n, unit in parts), timedelta())


def count_decimals(value: Decimal) -> int:
    """The number of decimals of a finite number; 0 for others."""
    exponent = value.as_tuple().exponent
    return max(-exponent, 0) if isinstance(exponent, int) else 0
