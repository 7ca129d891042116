"""The entry point of the node: ``python -m backend.simulator --data-dir folder --port 8899``."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from backend.simulator.options import DRESS_NAMES, NODES_MAX, POOL_SETS, PROFILES, SimulatorOptions
from backend.simulator.server import serve


def main() -> None:
    """Run until SIGINT or SIGTERM; prints the line ``ready <url>`` once it accepts requests."""
    parser = argparse.ArgumentParser(prog="python -m backend.simulator")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--profile", choices=PROFILES, default="demo")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pools", choices=POOL_SETS, default=POOL_SETS[0])
    parser.add_argument("--depth-usd", type=int, default=SimulatorOptions().depth_usd)
    parser.add_argument("--slot-seconds", type=float, default=SimulatorOptions().slot_s)
    parser.add_argument("--confirmed-slots", type=int)
    parser.add_argument("--finalized-slots", type=int)
    parser.add_argument("--nodes", type=int, choices=range(1, NODES_MAX + 1), default=1)
    parser.add_argument("--dress", choices=DRESS_NAMES, default=DRESS_NAMES[0])
    arguments = parser.parse_args()
    options = SimulatorOptions(
        profile=arguments.profile,
        seed=arguments.seed,
        pools=arguments.pools,
        depth_usd=arguments.depth_usd,
        slot_s=arguments.slot_seconds,
        confirmed_slots=arguments.confirmed_slots,
        finalized_slots=arguments.finalized_slots,
        nodes=arguments.nodes,
        dress=arguments.dress,
    )
    asyncio.run(_run_node(options, arguments.host, arguments.port, arguments.data_dir))


async def _run_node(options: SimulatorOptions, host: str, port: int, data_dir: Path) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signal_number, stop.set)

    def print_ready(bound_port: int) -> None:
        sys.stdout.write(f"ready http://{host}:{bound_port}\n")
        sys.stdout.flush()

    await serve(options, host=host, port=port, data_dir=data_dir, ready=print_ready, stop=stop)


if __name__ == "__main__":
    main()
