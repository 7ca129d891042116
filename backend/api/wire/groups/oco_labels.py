"""The pairs of a batch of which at most one order is executed, by the labels of its lines.

Both orders of a pair are stored, or none: whatever has one of them refused has the other refused.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import PlainValidator, WithJsonSchema

from backend.api.wire.fields import NAME_LENGTH_MAX, require_printable_name
from backend.api.wire.problems import FieldError, Problem, invalid_fields
from backend.domain.orders import PRICED_TYPES, OrderType, TimeInForce

if TYPE_CHECKING:
    from backend.api.wire.request_schemas import OrderRequest

FIELD: Final = "ocoGroup"
LEGS: Final = 2

OcoLabel = Annotated[
    str,
    PlainValidator(require_printable_name),
    WithJsonSchema(
        {
            "type": "string",
            "minLength": 1,
            "maxLength": NAME_LENGTH_MAX,
            "pattern": "^[ -~]+$",
            "description": "The same in exactly two orders of a batch, which wait for a price and"
            " swap the same tokens: at most one of them is executed, and the other is cancelled in"
            " the commit that confirms it. Both are stored, or none.",
        }
    ),
]


def check_label(
    label: str | None,
    kind: OrderType | None,
    time_in_force: TimeInForce,
    *,
    is_of_batch: bool,
    errors: list[FieldError],
) -> None:
    """Refuse the label of an order that is placed by itself, or that does not wait."""
    reason = None
    if label is None:
        return
    if not is_of_batch:
        reason = "needs two orders: place both in one batch"
    elif time_in_force.has_one_attempt:
        reason = f"belongs to orders that wait for a price, and timeInForce is {time_in_force}"
    elif kind is not None and kind not in PRICED_TYPES:
        names = ", ".join(each for each in OrderType if each in PRICED_TYPES)
        reason = f"belongs to orders of type {names}, not to {kind}"
    if reason is not None:
        errors.append(FieldError(FIELD, "invalid_field", reason))


def refuse_half(reason: str) -> Problem:
    """The problem of an order whose other one is not stored, or not with it."""
    return invalid_fields([FieldError(FIELD, "other_order_refused", reason)])


def pair_orders(
    raw: Sequence[object], entries: Sequence[OrderRequest | Problem]
) -> list[OrderRequest | Problem]:
    """The entries of a batch, with those refused whose label does not name a pair.

    The hash of an order of a pair is of both requests: each is a repeat only with its other one.
    """
    paired = list(entries)
    for indexes in list_groups(raw):
        requests = [entry for index in indexes if not isinstance(entry := entries[index], Problem)]
        fault = _find_fault(len(indexes), requests)
        for index in indexes:
            entry = entries[index]
            if isinstance(entry, Problem):
                continue
            if fault is not None:
                paired[index] = fault
                continue
            [other] = [entries[each] for each in indexes if each != index]
            assert not isinstance(other, Problem)
            both = entry.request_hash + other.request_hash
            paired[index] = replace(entry, request_hash=sha256(b"oco" + both).digest())
    return paired


def list_groups(raw: Sequence[object]) -> Iterator[list[int]]:
    """The indexes of the orders of each label."""
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for index, order in enumerate(raw):
        label = order.get(FIELD) if isinstance(order, dict) else None
        if isinstance(label, str):
            groups[label].append(index)
    yield from groups.values()


def _find_fault(count: int, requests: Sequence[OrderRequest]) -> Problem | None:
    """Why the orders of a label are no pair; ``requests`` are those without a problem."""
    if count != LEGS:
        reason = f"names {count} of the orders of this batch: a group has exactly two"
        return invalid_fields([FieldError(FIELD, "invalid_field", reason)])
    if len(requests) < LEGS:
        return refuse_half("the other order of this group is refused, and so is this one")
    pairs = {(each.terms.token_in, each.terms.token_out) for each in requests}
    if len(pairs) > 1:
        reason = "is of two orders with different tokens: both have to swap the same"
        return invalid_fields([FieldError(FIELD, "invalid_field", reason)])
    return None
