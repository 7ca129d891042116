"""The registry of the faults that are armed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final, TypeVar

from backend.simulator.faults import BaseFault

FAULTS_MAX: Final = 1_000

FaultT = TypeVar("FaultT", bound=BaseFault)


@dataclass(slots=True)
class _ArmedFault:
    fault: BaseFault
    ends_at: float | None
    remaining: int | None


class FaultRegistry:
    """The armed faults in the order in which they were armed. ``now`` returns seconds."""

    def __init__(self, seed: int, now: Callable[[], float]) -> None:
        self._random = Random(seed)  # noqa: S311 - a repeatable choice, not a secret
        self._now = now
        self._armed: dict[int, _ArmedFault] = {}
        self._last_id = 0

    def arm(self, fault: BaseFault) -> int:
        """Arm a fault. Returns its id. Raises ``ValueError`` if too many are armed."""
        self._remove_expired()
        if len(self._armed) >= FAULTS_MAX:
            raise ValueError(f"no more than {FAULTS_MAX} faults at once")
        self._last_id += 1
        ends_at = None if fault.seconds is None else self._now() + fault.seconds
        self._armed[self._last_id] = _ArmedFault(fault, ends_at, fault.count)
        return self._last_id

    def disarm(self, fault_id: int) -> bool:
        """Disarm a fault; ``False`` if there is none with this id."""
        return self._armed.pop(fault_id, None) is not None

    def clear(self) -> None:
        """Disarm all faults."""
        self._armed.clear()

    def list_armed(self) -> list[dict[str, object]]:
        """Every armed fault with its id and how often it can still be triggered."""
        self._remove_expired()
        return [
            {"id": fault_id, "left": armed.remaining, **armed.fault.model_dump(mode="json")}
            for fault_id, armed in self._armed.items()
        ]

    def trigger(
        self, kind: type[FaultT], matches: Callable[[FaultT], bool] = lambda _: True
    ) -> FaultT | None:
        """The first armed fault of a kind that matches and whose probability hits this time."""
        if not self._armed:
            return None
        self._remove_expired()
        for fault_id, armed in self._armed.items():
            fault = armed.fault
            if not isinstance(fault, kind) or not matches(fault):
                continue
            if fault.probability < 1 and self._random.random() >= fault.probability:
                continue
            if armed.remaining is not None:
                armed.remaining -= 1
                if not armed.remaining:
                    del self._armed[fault_id]
            return fault
        return None

    def is_armed(
        self, kind: type[FaultT], matches: Callable[[FaultT], bool] = lambda _: True
    ) -> bool:
        """Whether a fault of a kind that matches is armed; this does not trigger it."""
        if not self._armed:
            return False
        self._remove_expired()
        faults = [armed.fault for armed in self._armed.values()]
        return any(isinstance(fault, kind) and matches(fault) for fault in faults)

    def _remove_expired(self) -> None:
        now = self._now()
        for fault_id, armed in list(self._armed.items()):
            if armed.ends_at is not None and armed.ends_at < now:
                del self._armed[fault_id]
