"""Notices as sentences, and many of them as one message."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final

from backend.domain.amounts import format_amount
from backend.domain.errors import Rejected
from backend.domain.tokens import TokenRegistry
from backend.store.notices.notice_store import (
    AuditNotice,
    DifferenceNotice,
    Occurrence,
    StopNotice,
)

LINES_MAX: Final = 20
LINE_LENGTH_MAX: Final = 300
TITLE: Final = "Order engine"
BREAKER: Final = "the breaker"


def describe(occurrence: Occurrence) -> str:
    """A sentence for an operator; empty for what another notice tells."""
    match occurrence:
        case AuditNotice():
            text = _describe_entry(occurrence)
        case DifferenceNotice(wallet, token, amount):
            text = f"wallet {wallet}: {_format(token, amount)} {token} that no order explains"
        case StopNotice():
            text = (
                f"{occurrence.type} of {occurrence.owner} fired: {occurrence.token_in} for"
                f" {occurrence.token_out} at {occurrence.price}, trigger {occurrence.trigger}"
                f" (order {occurrence.order_id})"
            )
    return text[:LINE_LENGTH_MAX]


def compose_message(texts: Iterable[str]) -> str:
    """One message: a line for each text, with how often it came; at most ``LINES_MAX``."""
    counts = Counter(filter(None, texts))
    lines = [text if count == 1 else f"{text} ({count} times)" for text, count in counts.items()]
    if len(lines) > LINES_MAX:
        lines = [*lines[:LINES_MAX], f"and {len(lines) - LINES_MAX} more: see the audit log"]
    return "\n".join(lines)


def list_new(texts: Sequence[str], told: Iterable[str]) -> list[str]:
    """The texts that were not told lately."""
    known = set(told)
    return [text for text in texts if text and text not in known]


def _describe_entry(entry: AuditNotice) -> str:
    data = entry.data
    match entry.action:
        case "breaker_fired":
            return f"HALTED by the breaker: {data['why']}"
        case "trading_state_set" if entry.who != BREAKER:
            return f"{data['state']} by {entry.who}, {_name_target(data)}: {data['why']}"
        case "trading_state_lifted":
            return f"resumed by {entry.who}, {_name_target(data)}"
        case "webhook_disabled":
            place = f"of {data['owner']} at {data['host']}"
            return f"webhook {data['webhook']} {place} is disabled: {data['why']}"
        case _:  # that of the breaker is told as such
            return ""


def _name_target(data: dict[str, Any]) -> str:
    return "all orders" if data["scope"] == "all" else f"{data['scope']} {data['subject']}"


def _format(token: str, amount: int) -> str:
    try:
        decimals = TokenRegistry().find(token, "token").decimals
    except Rejected:  # one that is not listed: its decimals are not known here
        return f"{amount} base units of"
    return format_amount(amount, decimals)
