"""The manifest of an archive: which files it has, and the hash of each.

It is replaced as a whole, so that it is of one moment whenever a process is killed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePath
from typing import Any, Final

from backend.store.archive.errors import ArchiveError

NAME: Final = "manifest.json"
FORMAT: Final = "order-engine-archive-1"
PATTERN: Final = "orders-*.jsonl.gz"
_PARTIAL: Final = ".partial"
_ASIDE: Final = ".unnamed"


@dataclass(frozen=True, slots=True)
class ArchiveFile:
    """A file of an archive; ``last_txid`` is the newest transaction that wrote an event of it."""

    number: int
    name: str
    sha256: str
    orders: int
    events: int
    last_txid: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an archive consists of; ``journal`` is the id of the journal that it is of."""

    journal: str
    files: Sequence[ArchiveFile] = ()


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a folder, ``None`` if it has no archive. Raises ``ArchiveError``."""
    path = folder / NAME
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        if any(folder.glob(PATTERN)):
            raise ArchiveError(f"{folder} has files of an archive and no {NAME}") from None
        return None
    except OSError as error:
        raise ArchiveError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ArchiveError(f"{path} is no manifest of an archive") from None
    try:
        return _parse(json.loads(text))
    except (KeyError, TypeError, ValueError, RecursionError):
        raise ArchiveError(f"{path} is no manifest of an archive") from None


def _parse(told: dict[str, Any]) -> Manifest:
    if told["format"] != FORMAT:
        raise ValueError(told["format"])
    files = [ArchiveFile(**each) for each in told["files"]]
    for file in files:
        if not PurePath(file.name).match(PATTERN) or PurePath(file.name).name != file.name:
            raise ValueError(f"{file.name} is no file of an archive")
        numbers = file.number, file.orders, file.events, file.last_txid
        if not all(isinstance(each, int) for each in numbers):
            raise TypeError(f"a number of {file.name} is none")
    return Manifest(str(told["journal"]), files)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Replace the manifest of a folder; it is on the disk when this returns.

    Raises ``ArchiveError`` if the disk does not take it.
    """
    told = {"format": FORMAT, "journal": manifest.journal}
    files = [asdict(each) for each in manifest.files]
    partial = folder / f"{NAME}{_PARTIAL}"
    try:
        with partial.open("w", encoding="utf-8") as file:
            json.dump({**told, "files": files}, file, indent=1)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        partial.replace(folder / NAME)
        flush_folder(folder)
    except OSError as error:
        raise ArchiveError(f"{folder} cannot be written: {error.strerror}") from None


def flush_folder(folder: Path) -> None:
    """Have the names of a folder on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Make a folder with those above it; their names are on the disk when this returns.

    Raises ``OSError``.
    """
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for each in missing:
        flush_folder(each.parent)


def remove_partials(folder: Path) -> None:
    """Remove what a process that was killed has not finished writing. Raises ``OSError``."""
    for path in folder.glob(f"*{_PARTIAL}"):
        path.unlink(missing_ok=True)


def list_unnamed(folder: Path, manifest: Manifest) -> list[Path]:
    """The files of orders that are in a folder and not in its manifest."""
    named = {each.name for each in manifest.files}
    return sorted(path for path in folder.glob(PATTERN) if path.name not in named)


def set_aside(path: Path) -> None:
    """Have a file of orders no longer count as one of the archive. Raises ``OSError``."""
    path.rename(path.with_name(f"{path.name}{_ASIDE}"))
