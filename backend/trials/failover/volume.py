"""A file system of its own that loses power: what was not flushed to it is gone.

It is ext4 in a file, over a loop device. ``EXT4_IOC_SHUTDOWN`` ends it at once, without its
journal, as a power failure does: it takes no further write, and pages that were not written are
lost. Mounted again, it replays its journal. What the block device was given counts as kept: a disk
whose own cache forgets is not simulated.
"""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import os
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Final

from backend.domain.errors import Rejected

SIZE_BYTES: Final = 2 << 30
_CLONE_NEWNS: Final = 0x0002_0000
_PRIVATE: Final = 0x0004_4000  # MS_REC | MS_PRIVATE
_SHUTDOWN: Final = 0x8004_587D
_WITHOUT_JOURNAL: Final = struct.pack("I", 2)
_TIMEOUT_S: Final = 60.0
_UNMOUNT_TRIES: Final = 50
_RETRY_S: Final = 0.1
_CANARY: Final = b"canary\n" * 64


def enter_mount_namespace() -> None:
    """Mount for this process and its children only, before it has threads.

    So nothing is left when all of them have ended, also after ``kill -9``. Raises ``Rejected``.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNS) != 0 or libc.mount(None, b"/", None, _PRIVATE, None) != 0:
        raise _refuse(f"mounts of its own: {os.strerror(ctypes.get_errno())}")


class PowerLossVolume:
    """A file system at ``folder``, in the file ``image``. Raises ``Rejected`` if it cannot be."""

    def __init__(self, folder: Path, image: Path) -> None:
        self._folder = folder
        self._image = image

    async def create(self) -> None:
        """Make it, with what is in the folder so far, and mount it there."""
        with self._image.open("wb") as file:
            file.truncate(SIZE_BYTES)
        await _run("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0", str(self._image))
        filled = self._folder.with_name(f"{self._folder.name}.filled")
        self._folder.rename(filled)
        self._folder.mkdir()
        await self._mount()
        await asyncio.to_thread(self._fill, filled)

    def _fill(self, filled: Path) -> None:
        (self._folder / "lost+found").rmdir()
        shutil.copystat(filled, self._folder)
        os.chown(self._folder, filled.stat().st_uid, filled.stat().st_gid)
        subprocess.run(["cp", "-a", f"{filled}/.", self._folder], check=True)  # noqa: S603, S607
        shutil.rmtree(filled)
        self.flush()

    def flush(self) -> None:
        """Flush all that was written."""
        subprocess.run(["sync", "-f", self._folder], check=True)  # noqa: S603, S607

    def cut(self) -> None:
        """Cut the power: from now on nothing reaches it, and what was not flushed is lost."""
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, _SHUTDOWN, _WITHOUT_JOURNAL)
        except OSError as error:
            raise _refuse(f"a file system cannot be shut down: {error.strerror}") from None
        finally:
            os.close(descriptor)

    async def restore(self) -> None:
        """Give it power again: it is as far as it was flushed. No file of it may be open."""
        await self.unmount()
        await self._mount()

    def remove_empty(self, name: str) -> None:
        """Remove a file if it is empty, as a person does who starts a program again."""
        path = self._folder / name
        if path.exists() and not path.stat().st_size:
            path.unlink()

    async def unmount(self) -> None:
        """Unmount it, if it is mounted; programs that were killed may still be ending."""
        for attempt in range(_UNMOUNT_TRIES):
            if not self._folder.is_mount():
                return
            try:
                await _run("umount", str(self._folder))
            except Rejected:
                if attempt == _UNMOUNT_TRIES - 1:
                    raise
                await asyncio.sleep(_RETRY_S)

    async def _mount(self) -> None:
        await _run("mount", "-o", "loop", str(self._image), str(self._folder))

    async def prove_loss(self) -> None:
        """Prove that a cut keeps what was flushed, and nothing else. Raises ``Rejected``."""
        kept, lost = self._folder / "flushed", self._folder / "not-flushed"
        with kept.open("wb") as file:
            file.write(_CANARY)
            file.flush()
            os.fsync(file.fileno())
        with lost.open("wb") as file:
            file.write(_CANARY)
        self.cut()
        await self.restore()
        if kept.read_bytes() != _CANARY:
            raise _refuse("a file that was flushed is lost: the file system shows nothing")
        if lost.exists() and lost.read_bytes() == _CANARY:
            raise _refuse("a file that was not flushed is kept: the file system shows nothing")
        kept.unlink()
        lost.unlink(missing_ok=True)
        self.flush()


async def _run(*argv: str) -> None:
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            process = await asyncio.create_subprocess_exec(
                *argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
            output, _ = await process.communicate()
    except FileNotFoundError:
        raise _refuse(f"{argv[0]} is not installed") from None
    if process.returncode:
        raise _refuse(f"{' '.join(argv)}: {output.decode(errors='replace').strip()}")


def _refuse(reason: str) -> Rejected:
    return Rejected("volume_unusable", f"file systems cannot be made here: {reason}")
