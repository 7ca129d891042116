"""Group commit: writes that arrive together share one statement and one commit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from backend.runtime.coalescer import Coalescer

ROWS_MAX: Final = 500
"""Most rows of one statement."""
COMMIT_DELAY_S: Final = 0.003
"""How long rows wait for a commit under full load: its cost hardly grows with their number."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def build_arrays(rows: Sequence[Sequence[object]]) -> list[list[object] | None]:
    """The columns of rows, as the arrays that ``unnest`` makes rows of again.

    ``None`` is one in which no row has a value, which ``unnest`` fills up: asyncpg looks at every
    element of an array, to tell a value from an array in it, and most columns of most rows are
    empty. The first column has to have values.
    """
    columns = map(list, zip(*rows, strict=True))
    return [None if column.count(None) == len(rows) else column for column in columns]


def group_commits(
    write: Callable[[Sequence[Item]], Awaitable[Sequence[Result | Exception]]], name: str
) -> Coalescer[Item, Result]:
    """Coalesce the calls of ``write``, which stores rows and commits them; see ``Coalescer``."""
    return Coalescer(
        write,
        name=name,
        items_max=ROWS_MAX,
        calls_max=2,
        batch_target=200,
        max_delay_s=COMMIT_DELAY_S,
    )
