"""What a node says of its load: a refusal that asks for a pause, or a quota that is used up.

Nodes say it by status (429, or 5xx with ``Retry-After``), by JSON-RPC errors of many codes, and by
the headers of responses that succeed. A date is taken relative to the response's own ``Date``:
neither clock has to be right.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import Final, NamedTuple

from backend.chain.rpc.results import Json

QUOTA_WAIT_S: Final = 1.0
"""The pause after a response that says that the quota is used up, and not until when."""

_LOAD_CODES: Final = frozenset({429, -32429})
_LOAD_WORDS: Final = re.compile(
    r"rate.?limit|too many|rate exceeded|limit exceeded|exceeded.{0,30}(limit|quota|capacity)"
    r"|throttl|\bquota\b|requests? per (second|minute|hour|day)|overloaded|\b429\b",
    re.IGNORECASE,
)
_NOT_LOAD_CODES: Final = frozenset({-32600, -32601, -32602, -32002, -32003})
"""Codes of errors that the call itself caused, whatever words their messages use."""
_ARRAY_WORDS: Final = re.compile(r"\bbatch|\barrays?\b", re.IGNORECASE)
_METHOD_WORDS: Final = re.compile(
    r"specific (rpc )?(call|method)|(per|this|single) (rpc )?method", re.IGNORECASE
)
_WAIT_FIELDS: Final = (
    "retry_after", "retryAfter", "retry_after_s", "backoff_seconds", "try_again_in", "retry-after",
)  # fmt: skip
_QUOTA_NAME: Final = re.compile(r"(x-)?ratelimit-(?:(\w+)-)?remaining(-\w+)?")
_QUOTA_LIST: Final = re.compile(r"\b(?:r|remaining)=0(?!\d)(?:.*?\b(?:t|reset)=(\d+))?")
_EPOCH_S_MIN: Final = 1e9
_EPOCH_MS_MIN: Final = 1e12


class LoadSignal(NamedTuple):
    """A refusal for load. ``wait_s`` is the pause that the node asks for, if it names one.

    ``is_of_method`` says that only the method of this call is limited, ``is_of_rate`` that the
    calls were too many, and not the node merely busy.
    """

    wait_s: float | None
    is_of_method: bool
    is_of_rate: bool = True


def read_refusal(status: int, headers: Mapping[str, str], text: str) -> LoadSignal | None:
    """Read a refusal from its HTTP status, headers and body; ``None`` if it is not for load.

    A server's error is one if it comes with ``Retry-After``: the server knows when it is back.
    """
    if status != 429 and (status < 500 or "Retry-After" not in headers):
        return None
    quotas = list_used_quotas(headers)
    wait_s = read_retry_after_s(headers)
    if wait_s is None and quotas:
        wait_s = max(quota.wait_s or 0 for quota in quotas)
    is_of_method = bool(_METHOD_WORDS.search(text)) or (
        bool(quotas) and all(quota.is_of_method for quota in quotas)
    )
    return LoadSignal(wait_s, is_of_method, is_of_rate=status == 429)


def read_retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Read ``Retry-After``, seconds or a date; ``None`` if it is missing or neither."""
    text = headers.get("Retry-After", "").strip()
    seconds = _parse_number(text)
    if seconds is not None or not text:
        return seconds
    try:
        wait = parsedate_to_datetime(text) - parsedate_to_datetime(headers.get("Date", ""))
    except (TypeError, ValueError):
        return None  # without the node's own time, the date means nothing
    return max(wait.total_seconds(), 0.0)


def list_used_quotas(headers: Mapping[str, str]) -> list[LoadSignal]:
    """The quotas of calls that a response says are used up, as rate limit headers name them."""
    used: list[LoadSignal] = []
    for name, value in headers.items():
        lower_name = name.lower()
        if "ratelimit" not in lower_name:
            continue
        match = _QUOTA_NAME.fullmatch(lower_name)
        if match is not None:
            scope = match[2] or ""
            remaining = _parse_number(value, least=None)
            if remaining is not None and remaining <= 0 and scope not in {"conn", "pubsub"}:
                used.append(LoadSignal(_read_reset_s(headers, scope), scope == "method"))
        elif lower_name in {"ratelimit", "x-ratelimit"} and (listed := _QUOTA_LIST.search(value)):
            used.append(LoadSignal(float(listed[1] or QUOTA_WAIT_S), is_of_method=False))
    return used


def find_load_signal(error: Json) -> LoadSignal | None:
    """Read the error of a JSON-RPC response; ``None`` if it is not about the node's load."""
    if isinstance(error, str):
        error = {"message": error}
    if not isinstance(error, Mapping):
        return None
    code, message = error.get("code"), str(error.get("message"))
    if code not in _LOAD_CODES and (
        code in _NOT_LOAD_CODES or not _LOAD_WORDS.search(message) or _ARRAY_WORDS.search(message)
    ):
        return None
    return LoadSignal(_find_wait_s(error.get("data")), bool(_METHOD_WORDS.search(message)))


def is_array_error(error: Json) -> bool:
    """Whether the error of one call is about the array that it came in."""
    if not isinstance(error, Mapping):
        return False
    return error.get("code") == -32600 or bool(_ARRAY_WORDS.search(str(error.get("message"))))


def _read_reset_s(headers: Mapping[str, str], scope: str) -> float:
    names = [f"{scope}-reset"] if scope else []
    for name in (*names, "reset"):
        for prefix in ("x-ratelimit-", "ratelimit-"):
            reset = _parse_number(headers.get(prefix + name, ""))
            if reset is not None:
                return _to_wait_s(reset, headers)
    retry_after_s = read_retry_after_s(headers)
    return QUOTA_WAIT_S if retry_after_s is None else retry_after_s


def _to_wait_s(reset: float, headers: Mapping[str, str]) -> float:
    """Nodes name seconds from now, seconds since 1970, or milliseconds since 1970."""
    if reset < _EPOCH_S_MIN:
        return reset
    at_s = reset / 1000 if reset >= _EPOCH_MS_MIN else reset
    try:
        return max(at_s - parsedate_to_datetime(headers.get("Date", "")).timestamp(), 0.0)
    except (TypeError, ValueError):
        return QUOTA_WAIT_S


def _find_wait_s(data: Json) -> float | None:
    """Find the pause in an error's data, which has no standard form."""
    if not isinstance(data, Mapping):
        return None
    for name in _WAIT_FIELDS:
        value = data.get(name)
        if value is not None:
            wait_s = _parse_number(str(value).removesuffix("s"))
            if wait_s is not None:
                return wait_s
    nested = data.get("rate")
    return _find_wait_s(nested) if isinstance(nested, Mapping) else None


def _parse_number(text: str, *, least: float | None = 0.0) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    if not isfinite(number):
        return None
    return number if least is None else max(number, least)
