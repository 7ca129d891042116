"""Settings of servers, nodes and processes: addresses, logs, the simulated node, the wallet."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings

from backend.config.secret_files import SECRET


class Profile(StrEnum):
    """The speed of the simulated node: like a real network, or as fast as possible."""

    DEMO = "demo"
    INSTANT = "instant"


def _conventional_name(name: str) -> AliasChoices:
    return AliasChoices(name, name.lower())


class ServerSettings(BaseSettings):
    """Settings of servers, nodes and processes: addresses, logs, the simulated node, the wallet."""

    database_url: Annotated[str | None, SECRET] = Field(
        None,
        validation_alias=_conventional_name("DATABASE_URL"),
        description="URL of PostgreSQL 14 or newer. Unset: an embedded server.",
    )
    database_pooler: str = Field(
        "auto",
        pattern="^(auto|direct|pooled)$",
        description="Whether a connection pooler such as PgBouncer is in front of PostgreSQL:"
        " `auto` looks; `pooled` prepares no statement by name; `direct` does, for a pooler in"
        " session mode or with `max_prepared_statements`.",
    )
    database_connections: int = Field(
        10,
        ge=3,
        le=100,
        description="Number of database connections of one process; an API opens"
        " `ORDER_ENGINE_READERS_MAX` more.",
    )
    database_processes: int = Field(
        0,
        ge=0,
        le=1_000,
        description="Number of processes, API and workers, that are to share PostgreSQL. None"
        " starts unless the server permits connections for all of them, each counted as an API. 0:"
        " this is not checked.",
    )
    feed_lag_warning_s: float = Field(
        5,
        gt=0,
        le=3_600,
        description="Age from which an open transaction that the stream waits for is logged, in"
        " seconds.",
    )
    redis_url: Annotated[str | None, SECRET] = Field(
        None,
        validation_alias=_conventional_name("REDIS_URL"),
        description="URL of Redis 6.2 or newer, or of Valkey: `redis://`, `rediss://` (TLS) or"
        " `unix://`; `redis+sentinel://` or `redis+cluster://` of several hosts, `rediss+…` with"
        " TLS. Unset: an embedded Valkey.",
    )
    solana_rpc_url: Annotated[str | None, SECRET] = Field(
        None,
        validation_alias=_conventional_name("SOLANA_RPC_URL"),
        description="URL of a Solana JSON-RPC node, or of several, separated by commas, that"
        " are used as one. Unset: the simulated node.",
    )
    rpc_ws_url: Annotated[str, SECRET] = Field(
        "",
        description="URL of the node's WebSocket, which makes quotes and confirmations faster."
        " Empty: as Solana's tools derive it from `SOLANA_RPC_URL`, its (first) address with the"
        " next port, if one is named. `off`: none, the node is only polled.",
    )
    data_dir: Path | None = Field(
        None, description="Directory for the data of the embedded servers and the simulated node."
    )
    host: str = Field(
        "127.0.0.1",
        description="Address that the API, or a worker with its `/metrics`, listens on.",
    )
    port: int = Field(3000, ge=0, le=65_535, description="Port of the API; 0 selects a free one.")
    metrics_port: int = Field(
        0, ge=0, le=65_535, description="Port of a worker's `/metrics`; 0 selects a free one."
    )
    chain_port: int = Field(
        0, ge=0, le=65_535, description="Port of the simulated node; 0 selects a free one."
    )
    log_level: str = Field(
        "info",
        pattern="^(debug|info|warning|error)$",
        description="Lowest log level that is logged.",
    )
    log_format: str = Field(
        "auto",
        pattern="^(auto|json|console)$",
        description="`json` lines, readable `console` lines, or `auto`: `console` on a terminal,"
        " else `json`.",
    )
    trace_dir: Path | None = Field(
        None,
        description="Directory in which API and workers write when each exchange with a server and"
        " each step of an order happens, for `scripts/bench trace`. Unset: nothing is written.",
    )
    otlp_url: Annotated[str, SECRET] = Field(
        "",
        pattern="^(https?://.+)?$",
        description="URL of an OpenTelemetry collector that takes traces (OTLP over HTTP), such as"
        " `http://127.0.0.1:4318/v1/traces`: one trace for each order, whose id is the order's."
        " Needs the extra `otel`. Empty: no traces.",
    )
    traces_share: float = Field(
        1,
        ge=0,
        le=1,
        description="Share of the orders that are traced, from 0 to 1; the same for all processes.",
    )
    profile: Profile = Field(
        Profile.DEMO,
        description="Speed of the simulated node: `demo` (like a real network) or `instant`.",
    )
    seed: int = Field(
        1, ge=0, description="Random seed of the simulated node and of the retry jitter."
    )
    sol_price: int = Field(
        100, ge=1, le=1_000_000, description="Initial price of SOL in USDC on the simulated node."
    )
    require_durable_database: bool = Field(
        default=False,
        description="`1`: no process starts on a PostgreSQL that may lose what it has answered"
        " (`fsync`, `full_page_writes` or `synchronous_commit` is off). Else it is a warning: after"
        " such a loss an order could be executed again.",
    )
    live: bool = Field(
        default=False, description="Must be `1` to use a node other than the simulated one."
    )
    wallet_file: Path | None = Field(
        None,
        description="Keypair file for a real network (from `solana-keygen`, mode 0600).",
    )
    priority_fee_microlamports: int = Field(
        1_000,
        ge=0,
        le=50_000_000,
        description="Priority fee: the price of a compute unit, in micro-lamports.",
    )
    sol_reserve: Decimal = Field(
        Decimal("0.01"),
        ge=0,
        le=1_000_000,
        decimal_places=9,
        description="SOL that no order may sell, for fees and rent; what buying SOL back takes"
        " (about 0.0041) is kept in any case.",
    )
