"""The node as a process: ``python -m backend.simulator --data-dir folder --port 8899``."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from backend.simulator.options import PROFILES, SimulatedOptions
from backend.simulator.server import serve


def main() -> None:
    """Run until SIGINT or SIGTERM; says ``ready <url>`` on one line when it can be asked."""
    parser = argparse.ArgumentParser(prog="python -m backend.simulator")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--profile", choices=PROFILES, default="demo")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--slot-seconds", type=float, default=SimulatedOptions().slot_s)
    parser.add_argument("--confirmed-slots", type=int)
    parser.add_argument("--finalized-slots", type=int)
    given = parser.parse_args()
    options = SimulatedOptions(
        profile=given.profile,
        seed=given.seed,
        slot_s=given.slot_seconds,
        confirmed_slots=given.confirmed_slots,
        finalized_slots=given.finalized_slots,
    )
    asyncio.run(_run(options, given.port, given.data_dir))


async def _run(options: SimulatedOptions, port: int, data_dir: Path) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await serve(options, port=port, data_dir=data_dir, ready=_say_ready, stop=stop)


def _say_ready(port: int) -> None:
    sys.stdout.write(f"ready http://127.0.0.1:{port}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
