"""Orders that wait for a price: how trials draw them, and the rule of the audit for them.

That none receives less than its limit, and that each ends, are rules of ``rules``.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from random import Random
from typing import Any, Final

from backend.domain.orders import OrderType
from backend.domain.times import format_time
from backend.trials.audit.records import Evidence, Violation, ViolationKind

_RISING: Final = frozenset({OrderType.LIMIT, OrderType.TAKE_PROFIT})
"""Types that wait until the price is at least their own."""


def build_waiting_body(random: Random, *, expires_at: datetime) -> dict[str, Any]:
    """Draw the body of an order that sells SOL at a price up to 9 % from the market's of 100."""
    above, below = 100 * random.uniform(0.98, 1.09), 100 * random.uniform(0.91, 1.02)
    body: dict[str, Any] = random.choice(
        (
            {"type": "limit", "limitPrice": f"{above:.3f}"},
            {"type": "takeProfit", "triggerPrice": f"{above:.3f}"},
            {"type": "stop", "triggerPrice": f"{below:.3f}"},
            {
                "type": "stopLimit",
                "triggerPrice": f"{below:.3f}",
                "limitPrice": f"{below * 0.97:.3f}",
            },
            {"type": "trailingStop", "trailBps": random.randrange(50, 900)},
        )
    )
    return {
        "tokenIn": "SOL",
        "tokenOut": "USDC",
        "amount": f"{random.uniform(0.001, 20):.5f}",
        "timeInForce": "gtd",
        "expiresAt": format_time(expires_at),
        **body,
    }


def find_early_releases(evidence: Evidence) -> Iterator[Violation]:
    """Find orders that were released at a price that does not meet what they waited for.

    That is what their owners were told last: an amended order is not released by its old terms.
    """
    for release in evidence.releases:
        if release.type == OrderType.SNIPER:  # it waits for no price: see ``find_wrong_snipes``
            continue
        if release.executable_price is None or release.trigger_price is None:
            yield _report(f"order {release.order_id} was released without a price")
            continue
        if release.told_price not in (None, release.trigger_price):
            yield _report(
                f"order {release.order_id} was released by {release.trigger_price}, and waits for"
                f" {release.told_price}"
            )
        executable, trigger = Decimal(release.executable_price), Decimal(release.trigger_price)
        is_rising = release.is_limit or release.type in _RISING
        if executable < trigger if is_rising else executable > trigger:
            yield _report(
                f"order {release.order_id}, a {release.type} at {trigger}, was released at"
                f" {executable}"
            )


def find_late_submissions(evidence: Evidence) -> Iterator[Violation]:
    """Find orders that were submitted after they had expired."""
    for row in evidence.rows.values():
        if row.is_submitted_late:
            yield _report(f"order {row.id}, now {row.status}, was submitted after its expiry")


def _report(message: str) -> Violation:
    return Violation(ViolationKind.WRONG, message)
