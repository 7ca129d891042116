"""What statements set in the rows of orders that end without having been executed."""

from __future__ import annotations

from backend.domain.lifecycle import Status


def set_withdrawn(status: Status) -> str:
    """The assignments that end orders ``o`` with a status, at the time of ``written``.

    The raised epoch takes the lease of a worker that executes such an order at that moment.
    """
    return f"""
        status = '{status.value}',
        seq = o.seq + 1,
        epoch = o.epoch + 1,
        lease_until = NULL,
        waiting_since = NULL,
        trigger_shard = NULL,
        next_attempt_at = NULL,
        updated_at = (SELECT at FROM written),
        closed_as = order_closed_as('{status.value}', o.dex, o.type, o.token_in, o.token_out),
        closed_at = (SELECT at FROM written)"""  # noqa: S608 - constants only
