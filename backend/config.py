"""Settings: read once from the environment when a process starts.

``DATABASE_URL``, ``REDIS_URL`` and ``SOLANA_RPC_URL`` have their conventional names; the variable
of any other setting is ``ORDER_ENGINE_`` and its name. ``scripts/generate/readme_parts.py`` makes
``backend/SETTINGS.md`` from this class.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self

from pydantic import AliasChoices, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

ENV_PREFIX = "ORDER_ENGINE_"


class Profile(StrEnum):
    """The speed of the simulated node: like a real network, or as fast as possible."""

    DEMO = "demo"
    INSTANT = "instant"


class ConfigurationError(Exception):
    """A setting is invalid; the message names it and the reason."""


def _conventional_name(name: str) -> AliasChoices:
    return AliasChoices(name, name.lower())


class Settings(BaseSettings):
    """All settings with their defaults."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, frozen=True, extra="ignore", populate_by_name=True
    )

    database_url: str | None = Field(
        None,
        validation_alias=_conventional_name("DATABASE_URL"),
        description="URL of PostgreSQL 14 or newer. Unset: an embedded server.",
    )
    redis_url: str | None = Field(
        None,
        validation_alias=_conventional_name("REDIS_URL"),
        description="URL of Redis 6.2 or newer, or of Valkey. Unset: an embedded Valkey.",
    )
    solana_rpc_url: str | None = Field(
        None,
        validation_alias=_conventional_name("SOLANA_RPC_URL"),
        description="URL of a Solana JSON-RPC node. Unset: the simulated node.",
    )
    data_dir: Path | None = Field(
        None, description="Directory for the data of the embedded servers and the simulated node."
    )
    host: str = Field("127.0.0.1", description="Address that the API listens on.")
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

    workers: int = Field(1, ge=1, le=64, description="Number of worker processes that `up` starts.")
    orders_in_flight_max: int = Field(
        10_000,
        ge=1,
        le=100_000,
        description="Maximum number of orders that one worker executes concurrently.",
    )
    lease_s: float = Field(
        15,
        ge=1,
        le=300,
        description="Duration of a lease, in seconds; then another worker may take over its order.",
    )
    sweep_s: float = Field(
        1,
        ge=0.05,
        le=60,
        description="Interval of the sweep for orders without a worker, in seconds.",
    )
    rekick_s: float = Field(
        5,
        ge=0.1,
        le=300,
        description="Time after which the job of an unclaimed order is sent again, in seconds.",
    )
    attempts_max: int = Field(3, ge=1, le=10, description="Maximum number of attempts of an order.")
    backoff_s: float = Field(
        0.5,
        ge=0,
        le=60,
        description="Backoff after the first failed attempt, in seconds; it doubles with each"
        " further one.",
    )
    backoff_jitter: float = Field(
        0.1, ge=0, le=1, description="Maximum random deviation of the backoff, as a fraction of it."
    )
    quote_timeout_s: float = Field(
        2, gt=0, le=60, description="Timeout of a quote from one venue, in seconds."
    )
    quote_age_s: float = Field(
        0.02,
        ge=0,
        le=1,
        description="Maximum age of the pool state that is quoted, in seconds; 0 reads it for"
        " each quote.",
    )
    rpc_timeout_s: float = Field(
        5, gt=0, le=120, description="Timeout of a request to the node, in seconds."
    )
    resend_s: float = Field(
        2,
        gt=0,
        le=60,
        description="Interval at which an unconfirmed transaction is sent again, in seconds.",
    )
    shutdown_s: float = Field(
        10,
        ge=0,
        le=300,
        description="Time for running orders to finish in a graceful shutdown of a worker, in"
        " seconds.",
    )

    crash_at: str = Field(
        "",
        pattern="^((claimed|quoted|stored|sent|settled):[1-9][0-9]{0,5})?$",
        description="For failure tests: `point:n` kills a worker when an order reaches"
        " `claimed`, `quoted`, `stored`, `sent` or `settled` for the n-th time.",
    )

    slippage_bps: int = Field(
        50, ge=0, le=10_000, description="Default slippage of an order, in basis points."
    )
    body_bytes_max: int = Field(
        1_048_576, ge=1_024, le=67_108_864, description="Maximum size of a request body, in bytes."
    )
    batch_orders_max: int = Field(
        1_000, ge=1, le=10_000, description="Maximum number of orders in one batch."
    )
    open_orders_max: int = Field(
        100_000,
        ge=1,
        description="Number of open orders above which new orders get a 503 response.",
    )
    sockets_max: int = Field(
        12_000, ge=1, description="Maximum number of WebSocket connections of one API process."
    )
    api_keys: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="`owner:key` pairs, separated by commas. Unset: requests need no key.",
    )
    rate_limit: int = Field(
        0, ge=0, description="Maximum number of orders per second from one owner; 0 means no limit."
    )

    @model_validator(mode="before")
    @classmethod
    def _split_api_keys(cls, values: dict[str, object]) -> dict[str, object]:
        keys = values.get("api_keys")
        if isinstance(keys, str):
            values["api_keys"] = tuple(k.strip() for k in keys.split(",") if k.strip())
        return values

    @model_validator(mode="after")
    def _check_api_keys(self) -> Self:
        for pair in self.api_keys:
            owner, colon, key = pair.partition(":")
            if not (owner and colon and len(key) >= 16):
                raise ValueError(
                    "api_keys: each must be owner:key with a key of 16 or more characters"
                )
        return self

    @classmethod
    def load(cls, **overrides: object) -> Settings:
        """Read the settings from the environment; ``overrides`` that are not ``None`` win.

        Raises ``ConfigurationError`` with one message for each invalid setting.
        """
        try:
            return cls(**{name: value for name, value in overrides.items() if value is not None})  # type: ignore[arg-type]
        except ValidationError as error:
            raise ConfigurationError(_format_errors(error)) from None


def get_variable_name(field: str) -> str:
    """The environment variable of a setting."""
    alias = Settings.model_fields[field].validation_alias
    if isinstance(alias, AliasChoices):
        return str(alias.choices[0])
    return ENV_PREFIX + field.upper()


def build_child_environment(inherited: Mapping[str, str], **settings: object) -> dict[str, str]:
    """The environment of a child process that gets exactly these settings."""
    own_names = {get_variable_name(name) for name in Settings.model_fields}
    inherited_others = {
        name: value
        for name, value in inherited.items()
        if name not in own_names and not name.startswith(ENV_PREFIX)
    }
    return {
        **inherited_others,
        **{get_variable_name(name): str(value) for name, value in settings.items()},
    }


def _format_errors(error: ValidationError) -> str:
    messages = []
    for problem in error.errors(include_url=False, include_context=False):
        if problem["loc"]:
            field = str(problem["loc"][0]).lower()
            name = get_variable_name(field) if field in Settings.model_fields else field.upper()
            messages.append(f"{name} is {problem['input']!r}: {problem['msg'].lower()}")
        else:
            messages.append(problem["msg"])
    return "; ".join(messages)
