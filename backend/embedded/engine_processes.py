"""The engine's processes under ``order-engine up``: steps that start in order and stop in reverse.

A process reports readiness with one line on standard output, ``ready <address>``, or ``ready``
alone if it has no address. Its output goes to its log file, and the line is read from there: with
no pipe in between, it can neither block on a slow supervisor nor fail on an exited one. While it
logs that it waits for a server, it has the time that the server takes.
"""

from __future__ import annotations

import asyncio
import re
import signal
from asyncio.subprocess import Process
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from backend.domain.errors import Transient
from backend.embedded import child_process
from backend.embedded.stale_process import POLL_INTERVAL_S
from backend.embedded.supervisor import Notice, NoticeHandler, NoticeKind, ignore_notice, supervise
from backend.runtime.background import raise_single_error

_READY_LINE = re.compile(rb"^ready(?: (\S+))?\r?\n", re.MULTILINE)
_WAITING_LINE = re.compile(rb"^.*waiting for (PostgreSQL|the node|the signer).*\r?\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class ProcessCommand:
    """Command line of one process, its complete environment, and its timeouts.

    ``pass_fds`` stay open in the child under the same numbers: a listening socket among them keeps
    its address and its pending connections while the process is restarted.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    ready_timeout_s: float = 30.0
    stop_timeout_s: float = 10.0
    pass_fds: tuple[int, ...] = ()


Stage = Callable[[Mapping[str, str]], Sequence[ProcessCommand]]
"""Returns the commands of a stage, given the addresses of the ready processes by name."""

StartStep = Sequence[Stage]
"""Stages that start at the same time, and stop in reverse order."""


async def run_stages(
    steps: Sequence[StartStep],
    *,
    log_dir: Path,
    stop: asyncio.Event,
    force_stop: asyncio.Event,
    on_ready: Callable[[Mapping[str, str]], None],
    on_notice: NoticeHandler,
) -> None:
    """Start ``steps`` one after the other and keep all processes running until ``stop`` is set.

    ``on_ready`` gets all addresses once every process is ready. The stages stop in reverse order:
    SIGTERM, the process's stop timeout, SIGKILL; once ``force_stop`` is set the timeout is half a
    second. Raises ``Transient`` if a process dies or is not ready in time on its first start.
    """
    with raise_single_error():
        async with asyncio.TaskGroup() as group:
            supervision = group.create_task(
                _supervise_steps(steps, log_dir, force_stop, on_ready, on_notice)
            )
            await stop.wait()
            supervision.cancel()


async def _supervise_steps(
    steps: Sequence[StartStep],
    log_dir: Path,
    force_stop: asyncio.Event,
    on_ready: Callable[[Mapping[str, str]], None],
    on_notice: NoticeHandler,
) -> None:
    addresses: dict[str, str] = {}
    async with AsyncExitStack() as stack:
        for step in steps:
            groups = [
                [EngineProcess(command, log_dir, on_notice) for command in stage(dict(addresses))]
                for stage in step
            ]
            await stack.enter_async_context(
                supervise(*groups, on_notice=on_notice, force_stop=force_stop)
            )
            addresses |= {program.name: program.address for group in groups for program in group}
        on_ready(addresses)
        await asyncio.Event().wait()


class EngineProcess:
    """A restartable engine process; ``address`` is the one it reported when it was ready."""

    def __init__(
        self,
        command: ProcessCommand,
        log_dir: Path,
        on_notice: NoticeHandler = ignore_notice,
    ) -> None:
        self._command = command
        self._on_notice = on_notice
        self._log = log_dir / f"{command.name}.log"
        self.name = command.name
        self.stop_steps: tuple[child_process.StopStep, ...] = (
            (signal.SIGTERM, command.stop_timeout_s),
        )
        self.address = ""
        self._waits = 0
        self._awaited = b""

    async def start(self) -> Process:
        """Start it and wait for its ``ready`` line; ``Transient`` carries its last log lines."""
        child_process.truncate_large_log(self._log)
        log_offset = self._log.stat().st_size if self._log.exists() else 0
        self._waits, self._awaited = 0, b""
        process = await child_process.spawn_process(
            self._command.argv,
            log=self._log,
            env=self._command.env,
            death_signal=signal.SIGKILL,
            pass_fds=self._command.pass_fds,
        )
        try:
            async with asyncio.timeout(self._command.ready_timeout_s) as deadline:
                while process.returncode is None:
                    if self._is_ready(log_offset):
                        return process
                    if self._has_waited_longer(log_offset):
                        now = asyncio.get_running_loop().time()
                        deadline.reschedule(now + self._command.ready_timeout_s)
                    await asyncio.sleep(POLL_INTERVAL_S)
        except TimeoutError:
            await child_process.kill_group(process)
            raise self._build_start_error("is not ready in time") from None
        except BaseException:
            await child_process.kill_group(process)
            raise
        raise self._build_start_error(child_process.describe_exit(process))

    def _has_waited_longer(self, log_offset: int) -> bool:
        """Whether it has logged again that it waits for a server; a new one is a notice."""
        with self._log.open("rb") as log:
            log.seek(log_offset)
            servers = _WAITING_LINE.findall(log.read(child_process.LOG_BYTES_MAX))
        if len(servers) == self._waits:
            return False
        self._waits = len(servers)
        if servers[-1] != self._awaited:
            self._awaited = servers[-1]
            detail = f"waiting for {self._awaited.decode()}; see {self._log}"
            self._on_notice(Notice(self.name, NoticeKind.WAITS, detail))
        return True

    def _is_ready(self, log_offset: int) -> bool:
        with self._log.open("rb") as log:
            log.seek(log_offset)
            match = _READY_LINE.search(log.read(child_process.LOG_BYTES_MAX))
        if match is not None:
            self.address = (match[1] or b"").decode()
        return match is not None

    def _build_start_error(self, reason: str) -> Transient:
        tail = child_process.read_log_tail(self._log)
        return Transient(
            "process_did_not_start", f"{self.name} {reason}; {self._log} ends:\n{tail}"
        )
