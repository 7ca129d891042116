"""Differences between what wallets hold and what their orders explain, as the server lists them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import NamedTuple

from tui.model.wire import WireDifference


class BalanceDifference(NamedTuple):
    """By how much a wallet holds more of a token than its orders explain; negative if less.

    ``first_at`` and ``last_at`` are the times of the first and the last change that adds up to it,
    as the server writes them: they sort as text.
    """

    wallet: str
    token: str
    amount: Decimal
    first_at: str
    last_at: str

    @property
    def key(self) -> str:
        """What it is a difference of."""
        return f"{self.wallet} {self.token}"


def describe_difference(change: WireDifference) -> str:
    """Describe one change in full."""
    amount = Decimal(change["amount"])
    more = "more" if amount > 0 else "less"
    held = f"{abs(amount):,f} {change['token']} {more}"
    return f"wallet {change['wallet']} holds {held} than its orders explain"


def add_up_differences(
    newest_first: Iterable[WireDifference], seen: Mapping[str, str]
) -> list[BalanceDifference]:
    """Add up the differences by wallet and token, the one that began first at the top.

    Left out are those up to the time in ``seen`` (by key), and what cancels out: a token that has
    left and come back is where orders put it.
    """
    sums: dict[str, BalanceDifference] = {}
    for each in reversed(list(newest_first)):
        change = BalanceDifference(
            each["wallet"], each["token"], Decimal(each["amount"]), each["at"], each["at"]
        )
        if change.last_at <= seen.get(change.key, ""):
            continue
        total = sums.pop(change.key, None)
        if total is not None:
            amount = total.amount + change.amount
            change = change._replace(amount=amount, first_at=total.first_at)
        if change.amount:
            sums[change.key] = change
    return sorted(sums.values(), key=lambda each: each.first_at)
