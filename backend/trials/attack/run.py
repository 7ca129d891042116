"""A whole trial: the client alone, then beside the attackers, then what is left of them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, NamedTuple

from backend.trials.attack.client import ClientFigures, place_orders
from backend.trials.attack.system import EngineUnderAttack, run_engine
from backend.trials.data_dir import create_trial_directory

ALONE_SHARE: Final = 0.2
"""The part of the time of the attack for which the client is alone before it."""
ALONE_MIN_S: Final = 5.0
RECOVERY_TIMEOUT_S: Final = 90.0
"""How long the engine may take until its memory is back; connections may be idle for 75 s."""
DESCRIPTORS_SPARE: Final = 10
"""A pool of connections may have grown meanwhile."""
SAMPLE_S: Final = 0.2


class Attacks(NamedTuple):
    """Which attacks there are, and what multiplies their number a second."""

    names: Sequence[str]
    pace: float


@dataclass(frozen=True, slots=True)
class Limits:
    """What a trial allows."""

    latency_factor: float
    machine_s: float
    memory_factor: float


@dataclass(frozen=True, slots=True)
class TrialFigures:
    """What a trial measured: times in seconds, memory in bytes."""

    alone: ClientFigures
    attacked: ClientFigures
    cpu_alone: float
    """The part of a core that the API process took."""
    cpu_attacked: float
    memory_before: int
    memory_peak: int
    memory_after: int
    descriptors_before: int
    descriptors_peak: int
    descriptors_after: int

    def list_violations(self, limits: Limits) -> list[str]:
        """What must not be, as sentences."""
        violations = []
        errors = self.alone.errors + self.attacked.errors
        if errors:
            violations.append(f"the client saw {len(errors)} errors, the first: {errors[0]}")
        before, during = (each.compute_quantile_s(0.99) for each in (self.alone, self.attacked))
        allowed = before * limits.latency_factor + limits.machine_s
        if during > allowed:
            violations.append(
                f"its p99 was {during * 1_000:.1f} ms, more than {allowed * 1_000:.1f} ms"
            )
        if self.memory_after > self.memory_before * limits.memory_factor:
            violations.append(
                f"the API process keeps {self.memory_after >> 20} MiB, {self.memory_before >> 20}"
                " MiB before"
            )
        return violations


async def run_trial(
    minutes: float,
    rate: float,
    descriptors: int,
    attacks: Attacks,
    limits: Limits,
    *,
    warm_up_s: float,
) -> TrialFigures:
    """Run a trial over an engine of its own, whose client begins ``warm_up_s`` before all figures.

    Raises ``Transient`` if the engine does not start.
    """
    attack_s = minutes * 60
    with create_trial_directory("attack") as directory:
        directory.is_disposable = True
        async with run_engine(directory.path, descriptors) as engine:
            await place_orders(engine.url, rate, warm_up_s)
            alone_s = max(ALONE_MIN_S, attack_s * ALONE_SHARE)
            cpu_s = [engine.read_cpu_s()]
            alone = await place_orders(engine.url, rate, alone_s)
            cpu_s.append(engine.read_cpu_s())
            before = engine.read_memory_bytes(), engine.count_descriptors()
            async with _attack(engine, attacks) as peak:
                attacked = await place_orders(engine.url, rate, attack_s)
                cpu_s.append(engine.read_cpu_s())
            await _wait_recovered(engine, before[0] * limits.memory_factor, before[1])
            return TrialFigures(
                alone,
                attacked,
                (cpu_s[1] - cpu_s[0]) / alone_s,
                (cpu_s[2] - cpu_s[1]) / attack_s,
                before[0],
                peak.memory,
                engine.read_memory_bytes(),
                before[1],
                peak.descriptors,
                engine.count_descriptors(),
            )


@dataclass(slots=True)
class _Peak:
    memory: int = 0
    descriptors: int = 0

    async def sample(self, engine: EngineUnderAttack) -> None:
        while True:
            self.memory = max(self.memory, engine.read_memory_bytes())
            self.descriptors = max(self.descriptors, engine.count_descriptors())
            await asyncio.sleep(SAMPLE_S)


@asynccontextmanager
async def _attack(engine: EngineUnderAttack, attacks: Attacks) -> AsyncIterator[_Peak]:
    """Attack during the block, from a process of its own."""
    argv = (sys.executable, "-m", "backend.trials.attack.attackers", engine.url)
    attackers = await asyncio.create_subprocess_exec(*argv, str(attacks.pace), *attacks.names)
    peak = _Peak()
    try:
        async with asyncio.TaskGroup() as group:
            sampling = group.create_task(peak.sample(engine))
            yield peak
            assert attackers.returncode is None, "the attackers ended before the attack"
            sampling.cancel()
    finally:
        if attackers.returncode is None:
            attackers.kill()
        await attackers.wait()


async def _wait_recovered(engine: EngineUnderAttack, memory_max: float, descriptors: int) -> None:
    """Wait until the attackers' connections are closed, and for the memory that they had."""
    for _ in range(int(RECOVERY_TIMEOUT_S / SAMPLE_S)):
        is_closed = engine.count_descriptors() <= descriptors + DESCRIPTORS_SPARE
        if is_closed and engine.read_memory_bytes() <= memory_max:
            return
        await asyncio.sleep(SAMPLE_S)
