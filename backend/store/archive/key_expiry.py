"""The end of what archives keep of keys: client order ids, idempotency keys, and batches."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from backend.store.database import DatabasePool

STEP_ROWS: Final = 5_000

_FORGET_NAMES: Final = f""" -- forget archived client order ids
DELETE FROM archived_names WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM archived_names WHERE archived_at < now() - $1::interval
    ORDER BY archived_at LIMIT {STEP_ROWS}))
RETURNING 1
"""  # noqa: S608 - constants only
_FORGET_KEYS: Final = f""" -- forget archived idempotency keys
DELETE FROM replayed_keys WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM replayed_keys WHERE order_id IS NOT NULL AND created_at < now() - $1::interval
    ORDER BY created_at LIMIT {STEP_ROWS}))
RETURNING 1
"""  # noqa: S608 - constants only
# The answer to a batch is repeated for as long as its key is kept, which begins with its file.
_FORGET_BATCHES: Final = """ -- forget archived batches
DELETE FROM batches WHERE id = ANY(ARRAY(
    SELECT b.id FROM batches b
    WHERE b.created_at < now() - $1::interval - $2::interval
        AND EXISTS (SELECT FROM archived_orders a WHERE a.batch_id = b.id)
        AND NOT EXISTS (SELECT FROM orders o WHERE o.batch_id = b.id)
        AND NOT EXISTS (
            SELECT FROM archived_orders a JOIN archive_files f ON f.number = a.file_number
            WHERE a.batch_id = b.id AND f.created_at >= now() - $2::interval)
    ORDER BY b.id LIMIT 500))
RETURNING 1
"""


async def forget_keys(pool: DatabasePool, older_than: timedelta, kept_for: timedelta) -> int:
    """Forget the keys that were archived longer ago than they are kept; returns how many.

    They go some at a time. Raises ``Transient``.
    """
    count = 0
    for statement, args in (
        (_FORGET_NAMES, (kept_for,)),
        (_FORGET_KEYS, (kept_for,)),
        (_FORGET_BATCHES, (older_than, kept_for)),
    ):
        while rows := await pool.read(statement, *args):
            count += len(rows)
    return count
