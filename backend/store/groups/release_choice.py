"""Which orders of groups are released, of those that are met: at most one of each group, once.

These parts go into the statement that releases waiting orders, if any of them is in a group. Of a
group none of whose orders is executed, or was, it is the first that can be released now. If one of
them has moved on since the statement began, it is none: the transaction may be older than that
step. What is not released is tried again.
"""

from __future__ import annotations

from typing import Final

from backend.store.groups.leg_locks import LOCK_LEGS

_NOT_EXECUTED: Final = "'{waiting, cancelled, expired, failed}'::text[]"
"""The statuses of an order beside which the other one of its group may be executed."""

NO_CHOICE: Final = {
    **dict.fromkeys(("note", "group_type", "ordinality", "group_columns", "locks"), ""),
    "source": "input",
}
"""The parts of the statement for orders without groups."""
CHOICE: Final = {
    "note": " of groups",
    "group_type": ", $8::uuid[]",
    "ordinality": "WITH ORDINALITY ",
    "group_columns": ", oco_group, place",
    "source": "chosen",
    "locks": f"""{LOCK_LEGS}, chosen AS MATERIALIZED (
    SELECT DISTINCT ON (coalesce(i.oco_group, i.id)) i.*
    FROM input i
    WHERE i.oco_group IS NULL OR (
        i.oco_group NOT IN (
            SELECT oco_group FROM legs WHERE status <> ALL({_NOT_EXECUTED}) OR seq <> seen_seq
        )
        AND (i.id, i.seq) IN (
            SELECT id, seq FROM legs
            WHERE status = 'waiting' AND (expires_at <= now()) IS NOT TRUE
                AND (next_attempt_at > now() AND next_attempt_at <= now() + $6::interval)
                    IS NOT TRUE
        )
    )
    ORDER BY coalesce(i.oco_group, i.id), i.place
    LIMIT cardinality($1::uuid[])
), """,  # noqa: S608 - constants only
}
"""The parts of the statement that also takes the groups of the orders, as ``$8``."""
