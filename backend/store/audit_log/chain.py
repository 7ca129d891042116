"""The chain of the audit log: each row is hashed with the hash of the row before it.

What is hashed are the fields of a row, one a line, after the bytes of that hash. So a row that was
altered, inserted or moved does not have its hash, and one that was removed is missed. Who can
change rows could hash all later ones anew: that shows by the last hash, if it was noted elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple

from backend.domain.times import format_time, parse_time


class AuditRow(NamedTuple):
    """A row of the log; ``data`` is JSON text as it was hashed."""

    id: int
    at: datetime
    who: str
    address: str
    request_id: str
    action: str
    data: str
    previous: bytes
    hash: bytes

    def compute_hash(self) -> bytes:
        """The hash that the row has as it is."""
        at = format_time(self.at)
        lines = (str(self.id), at, self.who, self.address, self.request_id, self.action, self.data)
        return sha256(self.previous + "\n".join(lines).encode()).digest()

    def to_json(self) -> dict[str, object]:
        """Convert to JSON for export, from which it can be verified."""
        return {
            "id": self.id,
            "at": format_time(self.at),
            "who": self.who,
            "address": self.address,
            "requestId": self.request_id,
            "action": self.action,
            "data": self.data,
            "previous": self.previous.hex(),
            "hash": self.hash.hex(),
        }


def parse_exported(fields: Mapping[str, Any]) -> AuditRow:
    """The row of an exported line. Raises ``KeyError``, ``TypeError`` or ``ValueError``."""
    return AuditRow(
        id=int(fields["id"]),
        at=parse_time(fields["at"]),
        who=str(fields["who"]),
        address=str(fields["address"]),
        request_id=str(fields["requestId"]),
        action=str(fields["action"]),
        data=str(fields["data"]),
        previous=bytes.fromhex(fields["previous"]),
        hash=bytes.fromhex(fields["hash"]),
    )


class AuditHead(NamedTuple):
    """The last row of the log, as it was noted; of an empty log, what the first row follows."""

    id: int
    hash: bytes

    def __str__(self) -> str:
        return f"{self.id}:{self.hash.hex()}"


class ChainVerifier:
    """Verifies rows in the order of their ids. ``last`` is what the first of them has to follow.

    An export may begin anywhere: without ``last`` its first row follows what it says itself.
    ``noted`` is a row that was noted elsewhere, which must still be there.
    """

    def __init__(self, last: AuditHead | None, noted: AuditHead | None = None) -> None:
        self.last = last
        self._noted = noted

    def verify(self, row: AuditRow) -> Iterator[str]:
        """A sentence for each thing that is wrong with the next row."""
        last, noted = self.last, self._noted
        if noted is not None and row.id == noted.id and row.hash != noted.hash:
            yield f"row {row.id} is not the one that was noted: it was written anew"
        if last is not None and row.id <= last.id:
            yield f"row {row.id} comes after row {last.id}: it was inserted or moved"
            return
        if last is not None and row.id > last.id + 1:
            yield f"rows {last.id + 1} to {row.id - 1} are missing: they were removed"
        elif last is not None and row.previous != last.hash:
            yield (
                f"row {row.id} does not follow row {last.id} as it is: one was removed, inserted,"
                " moved or written anew"
            )
        if row.compute_hash() != row.hash:
            yield f"row {row.id} is not as it was written: it was altered, inserted or moved"
        self.last = AuditHead(row.id, row.hash)

    def verify_end(self, head: AuditHead | None = None) -> Iterator[str]:
        """A sentence if the last row is not ``head``, or comes before the one that was noted."""
        ends = [each.id for each in (head, self._noted) if each is not None]
        last, end = self.last, max(ends, default=0)
        if last is None or last.id < end:
            first = 1 if last is None else last.id + 1
            if first <= end:
                yield f"rows {first} to {end} are missing at the end: they were removed"
        elif head is not None and last.id == head.id and last.hash != head.hash:
            yield f"row {head.id} is not the one that was noted: the log was written anew"
