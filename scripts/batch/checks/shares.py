"""Amounts that are a share of what the wallet holds when an order triggers: "all", or "50%".

The words are those of the engine, which refuses the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

SHARE_TYPES = ("stop", "takeProfit", "stopLimit", "trailingStop")
_SHARE = re.compile(r"all|(?=.*[1-9])([0-9]{1,2}(\.[0-9]{1,2})?|100(\.0{1,2})?)%")
_FORM = 'must be "all", or a percentage from 0.01% to 100% with at most two decimals, such as "50%"'
_TYPES = f"{', '.join(SHARE_TYPES[:-1])} and {SHARE_TYPES[-1]}"
AMOUNT_NAMES = ("amount", "amountIn")


def is_share(value: object) -> bool:
    """Whether a value is meant to be a share, however it is written."""
    text = str(value).strip().lower()
    return text == "all" or text.endswith("%")


def find_share_faults(kind: str, fields: Mapping[str, object]) -> Iterator[str]:
    """Find what is wrong with the share that an order of this type sells, if it does."""
    for name in AMOUNT_NAMES:
        if name not in fields or not is_share(fields[name]):
            continue
        if not _SHARE.fullmatch(str(fields[name])):
            yield f"{name}: {_FORM}"
        if kind not in SHARE_TYPES:
            yield (
                f"{name}: is a share of what the wallet holds, which {_TYPES} orders take:"
                f" write the amount of {kind} orders as a number"
            )
        elif kind == "stopLimit" and "minAmountOut" in fields:
            reason = "is not known of a share of what the wallet holds: give limitPrice"
            yield f"minAmountOut: {reason}"
