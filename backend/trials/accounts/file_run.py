"""A CSV file of very many fills, from rows that are made in the database of a trial."""

from __future__ import annotations

import os
from contextlib import AsyncExitStack
from dataclasses import dataclass
from time import perf_counter
from typing import Final

import aiohttp
import asyncpg

from backend.embedded import run_servers
from backend.store.migrations import migrate
from backend.trials.data_dir import create_trial_directory
from backend.trials.module_process import start_module
from backend.trials.process_usage import find_child, read_memory_bytes, reset_memory_peaks

UNUSED_NODE: Final = "http://127.0.0.1:9"
GROWTH_BYTES_MAX: Final = 64 * 2**20

_ROUTE: Final = """{"dex": "raydium", "program": "cpmm", "pool": "pool-of-raydium",
"minAmountOut": "98", "venueFees": [{"token": "SOL", "amount": "0.0025"}], "quotes": [
{"dex": "raydium", "program": "cpmm", "pool": "pool-of-raydium", "price": "99.5", "fee": "0.0025",
"amountOut": "99.5", "priceImpact": "0.0001"},
{"dex": "meteora", "program": "damm_v2", "pool": "pool-of-meteora", "price": "99.1",
"fee": "0.0025", "amountOut": "99.1", "priceImpact": "0.0001"}]}"""
_INSERT_ORDERS: Final = """
INSERT INTO orders (id, owner, request_hash, type, token_in, token_out, amount_in, slippage_bps,
                    status, seq, dex, route, tx_hash, amount_out, executed_price,
                    network_fee_lamports, wallet, kick_at, created_at, updated_at)
SELECT lpad(to_hex(n), 32, '0')::uuid, 'local', '', 'market', 'SOL', 'USDC', 1000000000, 50,
       'confirmed', 5, 'raydium', $2::jsonb, 'signature-' || n, 99400000 + n % 1000,
       (99400000 + n % 1000) / 1000000.0, 5000, 'wallet', made, made, made + interval '400 ms'
FROM (
    SELECT n, timestamptz '2026-01-01' + n * interval '1 s' AS made
    FROM generate_series(1, $1::int) n
) each
"""
_INSERT_EVENTS: Final = """
INSERT INTO order_events (order_id, seq, status, at, attempt, data)
SELECT id, step, name::order_status, created_at + step * interval '80 ms', 1, data::jsonb
FROM orders CROSS JOIN (VALUES
    (4, 'submitted', '{"txHash": "signature"}'),
    (5, 'confirmed', '{"slot": 7, "txHash": "signature", "amountOut": "99.4"}')
) AS steps(step, name, data)
"""


@dataclass(frozen=True, slots=True)
class FileFigures:
    """The file that was read, and the memory of the API process."""

    lines: int
    file_bytes: int
    seconds: float
    before_bytes: int
    peak_bytes: int

    def list_violations(self, fills: int) -> list[str]:
        """What must not be, as sentences."""
        violations = []
        if self.lines != fills:
            violations.append(f"{self.lines} lines, and not {fills}")
        if (growth := self.peak_bytes - self.before_bytes) > GROWTH_BYTES_MAX:
            violations.append(f"the memory of the API grew by {growth / 2**20:.0f} MB")
        return violations


async def run_file_trial(fills: int) -> FileFigures:
    """Make so many fills, and read them as one file. Raises ``EngineError``."""
    with create_trial_directory("accounts") as directory:
        directory.is_disposable = True
        log_dir = directory.path / "logs"
        log_dir.mkdir(mode=0o700)
        async with run_servers(directory.path) as servers, AsyncExitStack() as stack:
            await migrate(servers.database_url)
            await _insert_fills(servers.database_url, fills)
            settings = {
                "database_url": servers.database_url,
                "redis_url": servers.redis_url,
                "solana_rpc_url": UNUSED_NODE,
            }
            argv = ("backend.cli", "api", "--port", "0")
            api = await start_module(stack, "api", argv, settings, log_dir)
            pid = find_child(os.getpid(), "api")
            assert pid is not None
            return await _read_file(api.address, pid)


async def _insert_fills(database_url: str, fills: int) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(_INSERT_ORDERS, fills, _ROUTE, timeout=900)
        await connection.execute(_INSERT_EVENTS, timeout=900)
        await connection.execute("ANALYZE", timeout=900)
    finally:
        await connection.close()


async def _read_file(url: str, pid: int) -> FileFigures:
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(url, timeout=timeout) as session:
        async with session.get("/api/fills?limit=1000") as response:
            await response.read()  # what a process loads once
        reset_memory_peaks([pid])
        before_bytes = read_memory_bytes([pid], "VmRSS")
        started, lines, size = perf_counter(), 0, 0
        async with session.get("/api/fills", headers={"Accept": "text/csv"}) as response:
            async for chunk in response.content.iter_chunked(2**16):
                lines, size = lines + chunk.count(b"\n"), size + len(chunk)
        seconds = perf_counter() - started
    peak_bytes = read_memory_bytes([pid], "VmHWM")
    return FileFigures(lines - 1, size, seconds, before_bytes, peak_bytes)
