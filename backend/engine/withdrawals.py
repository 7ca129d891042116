"""What withdraws orders, in API processes and in workers."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from backend.engine.shared_services import SharedServices
from backend.store.withdrawals.cancel_timers import CancelTimers
from backend.store.withdrawals.cancellations import Cancellations
from backend.store.withdrawals.expiries import Expiries
from backend.store.withdrawals.periodic import run_withdrawals


@dataclass(frozen=True, slots=True)
class Withdrawals:
    """What withdraws orders; ``run`` must be running, and for single cancellations theirs too."""

    cancellations: Cancellations
    timers: CancelTimers
    expiries: Expiries

    async def run(self) -> None:
        """Withdraw what is due until cancelled."""
        random = Random()  # noqa: S311 - jitter, not a secret
        await run_withdrawals(self.expiries, self.timers, self.cancellations, random=random)


def build_withdrawals(shared: SharedServices) -> Withdrawals:
    """Wire what withdraws orders."""
    on_commit = shared.notifier.notify
    cancellations = Cancellations(shared.pool, on_commit=on_commit)
    return Withdrawals(
        cancellations,
        CancelTimers(shared.pool, cancellations),
        Expiries(shared.pool, on_commit=on_commit),
    )
