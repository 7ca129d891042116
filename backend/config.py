"""The settings: read once, from the environment, by whoever starts a process.

``DATABASE_URL``, ``REDIS_URL`` and ``SOLANA_RPC_URL`` have the names that everybody uses; every
other setting is ``ORDER_ENGINE_`` and its name. The table in the README is made from this file.
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
    """How the simulated node behaves: as slow as a real one, or as fast as it can."""

    DEMO = "demo"
    INSTANT = "instant"


class ConfigurationError(Exception):
    """A setting is wrong; the text says which and why."""


def _standard(name: str) -> AliasChoices:
    return AliasChoices(name, name.lower())


class Settings(BaseSettings):
    """Everything that can be set, with its default."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, frozen=True, extra="ignore", populate_by_name=True
    )

    database_url: str | None = Field(
        None,
        validation_alias=_standard("DATABASE_URL"),
        description="PostgreSQL 14 or newer. Unset: an embedded one.",
    )
    redis_url: str | None = Field(
        None,
        validation_alias=_standard("REDIS_URL"),
        description="Redis 6.2 or newer, or Valkey. Unset: an embedded Valkey.",
    )
    solana_rpc_url: str | None = Field(
        None,
        validation_alias=_standard("SOLANA_RPC_URL"),
        description="A Solana JSON-RPC node. Unset: the simulated one.",
    )
    data_dir: Path | None = Field(
        None, description="Where embedded servers and the simulated node keep their data."
    )
    host: str = Field("127.0.0.1", description="The address that the API listens on.")
    port: int = Field(3000, ge=0, le=65_535, description="The port of the API; 0 takes a free one.")
    metrics_port: int = Field(
        0, ge=0, le=65_535, description="The port of a worker's `/metrics`; 0 takes a free one."
    )
    chain_port: int = Field(
        0, ge=0, le=65_535, description="The port of the simulated node; 0 takes a free one."
    )
    log_level: str = Field(
        "info",
        pattern="^(debug|info|warning|error)$",
        description="The least level that is logged.",
    )
    log_format: str = Field(
        "auto",
        pattern="^(auto|json|console)$",
        description="`json` lines, `console` for people, or `auto`: console on a terminal.",
    )

    profile: Profile = Field(Profile.DEMO, description="The simulated node: `demo` or `instant`.")
    seed: int = Field(1, ge=0, description="The seed of the simulated node and of retry jitter.")
    sol_price: int = Field(
        100, ge=1, le=1_000_000, description="USDC for one SOL on the simulated node."
    )

    live: bool = Field(
        default=False, description="Must be on before a node that is not the simulated one is used."
    )
    wallet_file: Path | None = Field(
        None,
        description="The keypair that signs on a real chain (a `solana-keygen` file, mode 0600).",
    )
    priority_fee_microlamports: int = Field(
        1_000, ge=0, le=50_000_000, description="Price of a compute unit, in micro-lamports."
    )

    workers: int = Field(1, ge=1, le=64, description="Worker processes that `up` starts.")
    orders_in_flight_max: int = Field(
        10_000, ge=1, le=100_000, description="Orders that one worker drives at once."
    )
    lease_s: float = Field(
        15, ge=1, le=300, description="How long an order stays with a worker that says nothing."
    )
    sweep_s: float = Field(
        1, ge=0.05, le=60, description="How often orders that nobody drives are looked for."
    )
    rekick_s: float = Field(
        5, ge=0.1, le=300, description="How long a job may lie unclaimed before it is sent again."
    )
    attempts_max: int = Field(3, ge=1, le=10, description="Attempts of an order.")
    backoff_s: float = Field(
        0.5, ge=0, le=60, description="Wait after the first failed attempt; it doubles each time."
    )
    backoff_jitter: float = Field(
        0.1, ge=0, le=1, description="Largest deviation of that wait, as a fraction of it."
    )
    quote_timeout_s: float = Field(
        2, gt=0, le=60, description="How long each venue may take to quote."
    )
    quote_age_s: float = Field(
        0.02, ge=0, le=1, description="How old a pool may be that is quoted; 0 reads it each time."
    )
    rpc_timeout_s: float = Field(
        5, gt=0, le=120, description="How long the node may take to answer."
    )
    resend_s: float = Field(
        2, gt=0, le=60, description="How often an unconfirmed transaction is sent again."
    )
    shutdown_s: float = Field(
        10, ge=0, le=300, description="How long a stopping worker finishes what runs."
    )

    crash_at: str = Field(
        "",
        pattern="^((claimed|quoted|stored|sent|settled):[1-9][0-9]{0,5})?$",
        description="For failure tests: `point:n` kills a worker when an order reaches"
        " `claimed`, `quoted`, `stored`, `sent` or `settled` for the n-th time.",
    )

    slippage_bps: int = Field(
        50, ge=0, le=10_000, description="Slippage of an order that names none, in basis points."
    )
    body_bytes_max: int = Field(
        1_048_576, ge=1_024, le=67_108_864, description="Largest request body, in bytes."
    )
    batch_orders_max: int = Field(1_000, ge=1, le=10_000, description="Most orders in one batch.")
    open_orders_max: int = Field(
        100_000, ge=1, description="Open orders above which new ones are answered 503."
    )
    sockets_max: int = Field(12_000, ge=1, description="WebSocket connections of one API process.")
    api_keys: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="`owner:key` pairs, separated by commas. Unset: no key is asked for.",
    )
    rate_limit: int = Field(
        0, ge=0, description="Orders a second that one owner may post; 0 is no limit."
    )

    @model_validator(mode="before")
    @classmethod
    def _split_keys(cls, values: dict[str, object]) -> dict[str, object]:
        keys = values.get("api_keys")
        if isinstance(keys, str):
            values["api_keys"] = tuple(k.strip() for k in keys.split(",") if k.strip())
        return values

    @model_validator(mode="after")
    def _keys_have_owners(self) -> Self:
        for pair in self.api_keys:
            owner, colon, key = pair.partition(":")
            if not (owner and colon and len(key) >= 16):
                raise ValueError(
                    "api_keys: each must be owner:key with a key of 16 or more letters"
                )
        return self

    @classmethod
    def load(cls, **given: object) -> Settings:
        """The settings from the environment, overridden by what is ``given`` and not ``None``.

        Raises ``ConfigurationError`` with a sentence for each one that is wrong.
        """
        try:
            return cls(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
        except ValidationError as error:
            raise ConfigurationError(_sentences(error)) from None


def env_name(field: str) -> str:
    """The environment variable of a setting."""
    alias = Settings.model_fields[field].validation_alias
    if isinstance(alias, AliasChoices):
        return str(alias.choices[0])
    return ENV_PREFIX + field.upper()


def environment(inherited: Mapping[str, str], **settings: object) -> dict[str, str]:
    """The environment of a process of ours that is to have these settings and no others."""
    ours = {env_name(name) for name in Settings.model_fields}
    others = {
        name: value
        for name, value in inherited.items()
        if name not in ours and not name.startswith(ENV_PREFIX)
    }
    return {
        **others,
        **{env_name(name): str(value) for name, value in settings.items()},
    }


def _sentences(error: ValidationError) -> str:
    lines = []
    for problem in error.errors(include_url=False, include_context=False):
        if problem["loc"]:
            field = str(problem["loc"][0]).lower()
            name = env_name(field) if field in Settings.model_fields else field.upper()
            lines.append(f"{name} is {problem['input']!r}: {problem['msg'].lower()}")
        else:
            lines.append(problem["msg"])
    return "; ".join(lines)
