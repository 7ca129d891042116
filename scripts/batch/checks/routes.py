"""What orders ask of their routes: venues, pools, legs and hops.

The words are those of the engine, which refuses the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches

PROGRAMS = {"raydium": ("cpmm", "amm_v4", "clmm"), "meteora": ("damm_v2", "dlmm")}
PROGRAM_NAMES = tuple(f"{dex}/{name}" for dex, names in PROGRAMS.items() for name in names)
VENUE_NAMES = (*PROGRAMS, *PROGRAM_NAMES)
"""The exchanges, and their pool programs."""
ROUTE_FIELDS = ("dexes", "excludeDexes", "pools", "maxLegs", "maxHops", "onlyDirect")
POOLS_MAX = 16
LEGS_MAX = 4
HOPS_MAX = 3

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_ADDRESS_BYTES = 32
_ADDRESS_LETTERS = range(32, 45)
_SHOWN_LENGTH = 48


def find_route_faults(fields: Mapping[str, object]) -> Iterator[str]:
    """Find what is wrong with the route that an order asks for."""
    allowed, excluded = fields.get("dexes"), fields.get("excludeDexes")
    faults = [
        *_find_list_faults("dexes", allowed, "name", len(VENUE_NAMES)),
        *_find_list_faults("excludeDexes", excluded, "name", len(VENUE_NAMES)),
        *_find_list_faults("pools", fields.get("pools"), "pool", POOLS_MAX),
    ]
    hops = fields.get("maxHops")
    if fields.get("onlyDirect") is True and isinstance(hops, int) and hops > 1:
        faults.append(
            f"onlyDirect: is true, a maxHops of 1, and maxHops is {hops}: give one of them"
        )
    yield from faults
    if faults or not isinstance(excluded, list):
        return
    if not _leaves_program(allowed if isinstance(allowed, list) else [], excluded):
        what = "all that dexes allows" if allowed else "every exchange"
        yield f"excludeDexes: excludes {what}: no program is left to swap in"


def _find_list_faults(name: str, value: object, noun: str, length_max: int) -> Iterator[str]:
    if value is None:
        return
    if not isinstance(value, list):
        yield f"{name}: must be an array"
    elif not value:
        yield f"{name}: must have at least 1 {noun}: leave it out to leave that open"
    elif len(value) > length_max:
        yield f"{name}: must have at most {length_max} {noun}s, not {len(value)}"
    else:
        describe = _describe_pool if name == "pools" else _describe_venue
        reasons = filter(None, map(describe, value))
        yield from (f"{name}: {reason}" for reason in list(reasons)[:1])


def _describe_venue(value: object) -> str:
    """What is wrong with the name of a venue; empty if nothing is."""
    name = value.lower() if isinstance(value, str) else None
    if name in VENUE_NAMES:
        return ""
    reason = f"{_show(value)} is none of {', '.join(VENUE_NAMES)}"
    meant = [full for full in PROGRAM_NAMES if full.partition("/")[2] == name]
    meant = meant or get_close_matches(name or "", VENUE_NAMES, n=1, cutoff=0.7)
    return f"{reason}: did you mean {meant[0]}?" if meant else reason


def _describe_pool(value: object) -> str:
    """What is wrong with the address of a pool; empty if nothing is."""
    if isinstance(value, str) and _is_address(value):
        return ""
    return f"{_show(value)} is not the address of a pool (32 bytes in base58)"


def _show(value: object) -> str:
    """The beginning of a wrong value, escaped."""
    return ascii(value[:_SHOWN_LENGTH] if isinstance(value, str) else value)[:_SHOWN_LENGTH]


def _is_address(text: str) -> bool:
    if len(text) not in _ADDRESS_LETTERS or not set(_BASE58).issuperset(text):
        return False
    number = 0
    for letter in text:
        number = number * len(_BASE58) + _BASE58.index(letter)
    zeros = len(text) - len(text.lstrip(_BASE58[0]))
    return zeros + (number.bit_length() + 7) // 8 == _ADDRESS_BYTES


def _leaves_program(allowed: list[str], excluded: list[str]) -> bool:
    """Whether a pool program is allowed that is not excluded."""
    wanted, barred = ({each.lower() for each in names} for names in (allowed, excluded))
    return any(
        (not wanted or {dex, full} & wanted) and not {dex, full} & barred
        for full in PROGRAM_NAMES
        for dex in [full.partition("/")[0]]
    )
