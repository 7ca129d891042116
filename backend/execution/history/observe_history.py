"""Logs and metrics of the comparison with the wallets' history: one function for each event."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge

from backend.runtime.structured_log import structlog
from backend.store.origin.adoption import Adoption
from backend.store.origin.found_transactions import FoundTransaction

_log: Final[structlog.stdlib.BoundLogger] = structlog.get_logger("order-engine")

_incomplete = Gauge(
    "journal_incomplete", "1 while the journal is not known to be complete: nothing is signed"
)
_found = Counter(
    "journal_lost_transactions", "Transactions on the chain that the journal had lost", ["order"]
)


def journal_read(*, is_complete: bool) -> None:
    """Whether the journal is complete was read: as this or another worker has found."""
    _incomplete.set(not is_complete)


def journal_checked(server: str) -> None:
    """The journal is complete on a server: a run of it that no worker has seen before."""
    _incomplete.set(0)
    _log.info("the journal is complete", server=server)


def journal_not_compared(server: str, reason: str) -> None:
    """Nothing shows that the journal has lost anything, and nothing would."""
    _incomplete.set(0)
    _log.warning("the journal was not compared with the chain", server=server, reason=reason)


def journal_doubted(reason: str, until_height: int) -> None:
    """The journal may have lost what it had committed: nothing is signed until that is known."""
    _incomplete.set(1)
    _log.error(
        "the journal may lack transactions: trading is halted while it is compared with the chain",
        reason=reason,
        until_height=until_height,
    )


def comparison_failed(error: Exception) -> None:
    """The comparison cannot go on; it is tried again."""
    _log.error("the journal cannot be compared with the chain", error=repr(error))


def transaction_found(found: FoundTransaction) -> None:
    """The chain has a transaction that the journal lacks."""
    _log.error(
        "a transaction was lost by the journal",
        signature=found.signature,
        order_id=str(found.order_id),
        attempt=found.attempt,
        slot=found.slot,
        wallet=found.wallet,
        reverted=found.err is not None,
    )


def order_unknown(found: FoundTransaction) -> None:
    """The journal lacks the order of a transaction as well."""
    _found.labels("unknown").inc()
    _log.error(
        "an order was lost by the journal", order_id=str(found.order_id), signature=found.signature
    )


def transaction_adopted(found: FoundTransaction, adoption: Adoption) -> None:
    """An order has got back its transaction, or could not."""
    _found.labels(adoption.value).inc()
    log = _log.error if adoption is Adoption.CONFLICT else _log.warning
    log(
        "a lost transaction was adopted by its order"
        if adoption is Adoption.ADOPTED
        else "a lost transaction was not adopted",
        order_id=str(found.order_id),
        signature=found.signature,
        outcome=adoption.value,
    )
