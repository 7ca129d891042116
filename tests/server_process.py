"""Runs the embedded servers over a folder until standard input ends, as a separate process.

The test run shares one such process; tests that kill a supervisor start their own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from backend import embedded


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("--redis-databases", type=int, default=16)
    parser.add_argument("--connections-max", type=int, default=100)
    options = parser.parse_args()
    async with embedded.run_servers(
        options.data_dir,
        redis_databases=options.redis_databases,
        connections_max=options.connections_max,
    ) as servers:
        print(json.dumps(asdict(servers)), flush=True)  # noqa: T201
        await wait_for_end_of_input()


async def wait_for_end_of_input() -> None:
    has_ended = asyncio.Event()

    def read() -> None:
        if not os.read(sys.stdin.fileno(), 4_096):
            has_ended.set()

    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin, read)
    await has_ended.wait()
    loop.remove_reader(sys.stdin)


if __name__ == "__main__":
    asyncio.run(main())
