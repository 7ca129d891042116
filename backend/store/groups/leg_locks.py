"""The lock on the rows of whole groups that a statement takes before it decides on one of them.

All statements that lock rows of groups, or write several of them, do so in the order of their ids:
so none of two waits for the other. A lock shows the newest version of a row, which the statement
itself, begun before, would not see.
"""

from __future__ import annotations

from typing import Final

LEGS: Final = 2
"""The orders of a group."""

# LIMIT forces an index scan for each group and each order, even when the statistics are wrong.
LOCK_LEGS: Final = f"""legs AS MATERIALIZED (
    SELECT locked.*, seen.seq AS seen_seq
    FROM (
        SELECT leg.id, leg.seq
        FROM (SELECT DISTINCT oco_group FROM input WHERE oco_group IS NOT NULL) g
        CROSS JOIN LATERAL (
            SELECT id, seq FROM orders WHERE oco_group = g.oco_group LIMIT {LEGS}
        ) leg
        ORDER BY leg.id
    ) seen CROSS JOIN LATERAL (
        SELECT id, oco_group, status::text, seq, expires_at, next_attempt_at
        FROM orders WHERE id = seen.id LIMIT 1 FOR UPDATE
    ) locked
)"""  # noqa: S608 - constants only
"""All orders of the groups of ``input``, locked; ``seen_seq`` as of when the statement began."""
