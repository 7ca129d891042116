"""The modes of the benchmark, and the load of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from backend.trials.bench.measurements.waiting import WaitingLoad


class Mode(StrEnum):
    """What a run measures; ``order-engine bench --help`` describes each."""

    SINGLE = "single"
    RATE = "rate"
    TRACE = "trace"
    BATCH = "batch"
    DEMO = "demo"
    STREAM = "stream"
    APIS = "apis"
    HISTORY = "history"
    READS = "reads"
    ARCHIVE = "archive"
    FAIRNESS = "fairness"
    WAITING = "waiting"
    PGBENCH = "pgbench"


@dataclass(frozen=True, slots=True)
class LoadParameters:
    """The load of a run. ``orders`` is the number of orders by mode."""

    orders: Mapping[Mode, int]
    warm_up: int = 400
    connections: int = 32
    batch_orders: int = 1_000
    batches_at_once: int = 2
    single_rate: float = 200.0
    stream_rate: float = 300.0
    fairness_singles: int = 60
    fairness_rate: float = 5.0
    order_socket_counts: tuple[int, ...] = (1, 100, 1_000)
    stream_counts: tuple[int, ...] = (1, 100)
    api_counts: tuple[int, ...] = (1, 2, 4, 8)
    api_streams: int = 50
    api_rate: float = 100.0
    history_orders: int = 1_000_000
    read_repeats: int = 200
    history_modes: tuple[Mode, ...] = (Mode.BATCH, Mode.SINGLE)
    waiting: WaitingLoad = field(default_factory=WaitingLoad)
    ceiling_rows: tuple[int, ...] = (200, 50)
    ceiling_connections: tuple[int, ...] = (1, 2)
    is_shared: bool = False
    """Whether runs share an engine where possible; one may then slow down the next."""


DEFAULT_LOAD: Final = LoadParameters(
    {
        Mode.SINGLE: 10_000,
        Mode.RATE: 4_000,
        Mode.TRACE: 200,
        Mode.BATCH: 20_000,
        Mode.DEMO: 5_000,
        Mode.STREAM: 3_000,
        Mode.APIS: 3_000,
        Mode.HISTORY: 10_000,
        Mode.READS: 10_000,
        Mode.ARCHIVE: 3_000,
        Mode.FAIRNESS: 100_000,
        Mode.WAITING: 100_000,
        Mode.PGBENCH: 20_000,
    }
)
QUICK_LOAD: Final = LoadParameters(
    {
        Mode.SINGLE: 100,
        Mode.RATE: 60,
        Mode.TRACE: 10,
        Mode.BATCH: 100,
        Mode.DEMO: 40,
        Mode.STREAM: 40,
        Mode.APIS: 20,
        Mode.HISTORY: 60,
        Mode.READS: 100,
        Mode.ARCHIVE: 20,
        Mode.FAIRNESS: 2_000,
        Mode.WAITING: 300,
        Mode.PGBENCH: 200,
    },
    warm_up=0,
    connections=8,
    batch_orders=20,
    order_socket_counts=(1, 5),
    stream_counts=(1, 5),
    api_counts=(2,),
    api_streams=2,
    history_orders=1_000,
    history_modes=(Mode.BATCH,),
    read_repeats=3,
    ceiling_rows=(50,),
    fairness_singles=4,
    waiting=WaitingLoad(few=20, met=20, market=60, rounds=1, idle_s=0.5, ladder=0),
    is_shared=True,
)
