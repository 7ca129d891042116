"""Rows as the arrays of a statement, and as PostgreSQL makes rows of them again."""

from __future__ import annotations

import pytest

from backend.store.database import open_pool
from backend.store.group_commit import build_arrays

ROWS = [
    [(1, "a", None)],
    [(1, None, None)],
    [(1, None, None), (2, "b", None)],
    [(1, "a", True), (2, None, None), (3, None, False)],
    [],
]


@pytest.mark.parametrize("rows", ROWS)
async def test_rows_come_back_as_they_were(
    database_url: str, rows: list[tuple[object, ...]]
) -> None:
    async with open_pool(database_url, connections_max=1) as pool:
        found = await pool.fetch(
            "SELECT * FROM unnest($1::int[], $2::text[], $3::bool[])",
            *(build_arrays(rows) or ([], [], [])),
        )
    assert [tuple(row) for row in found] == rows
