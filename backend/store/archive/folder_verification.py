"""The verification of an archive by its folder alone: whether it is as it was written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from backend.store.archive.errors import ArchiveError
from backend.store.archive.manifest import PATTERN, ArchiveFile, read_manifest
from backend.store.archive.order_file import ArchivedLine, read_lines, require_file


@dataclass(slots=True)
class FolderReport:
    """What was read of an archive; ``faults`` are sentences."""

    files: int = 0
    orders: int = 0
    events: int = 0
    faults: list[str] = field(default_factory=list)


def verify_folder(folder: Path) -> FolderReport:
    """Verify each file of an archive. Raises ``ArchiveError`` if the folder has none."""
    manifest = read_manifest(folder)
    if manifest is None:
        raise ArchiveError(f"{folder} has no archive")
    report = FolderReport()
    named = {file.name for file in manifest.files}
    for path in sorted(folder.glob(PATTERN)):
        if path.name not in named:
            report.faults.append(f"{path.name} is not in the manifest")
    for file in manifest.files:
        report.files += 1
        try:
            require_file(folder, file)
            report.faults += _verify_file(folder, file, report)
        except ArchiveError as error:
            report.faults.append(str(error))
    return report


def _verify_file(folder: Path, file: ArchiveFile, report: FolderReport) -> Iterator[str]:
    orders, events, ids = 0, 0, set()
    for line in read_lines(folder / file.name):
        orders += 1
        ids.add(line.order_id)
        count, fault = _verify_line(line)
        events += count
        if fault:
            yield f"{file.name}: the order {line.order_id} {fault}"
    if (orders, events) != (file.orders, file.events):
        yield (
            f"{file.name} has {orders} orders with {events} events, and the manifest says"
            f" {file.orders} with {file.events}"
        )
    if len(ids) != orders:
        yield f"{file.name} has an order twice"
    report.orders += orders
    report.events += events


def _verify_line(line: ArchivedLine) -> tuple[int, str]:
    """The number of events of an order, and what is wrong with them."""
    try:
        parsed = line.parse()
        order, events = parsed["order"], parsed["events"]
        if [each["seq"] for each in events] != list(range(1, len(events) + 1)):
            return len(events), "lacks an event"
        if (events[-1]["status"], events[-1]["seq"]) != (order["status"], order["seq"]):
            return len(events), "is not as its last event says"
    except (KeyError, TypeError, IndexError):
        return 0, "cannot be read"
    return len(events), ""
