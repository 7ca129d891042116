"""Settings: read once from the environment when a process starts.

``DATABASE_URL``, ``REDIS_URL`` and ``SOLANA_RPC_URL`` have their conventional names; the variable
of any other setting is ``ORDER_ENGINE_`` and its name. ``scripts/generate/readme_parts.py`` makes
``backend/SETTINGS.md`` from this class.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pydantic import AliasChoices, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from backend.config.access_settings import AccessSettings
from backend.config.accounting_settings import AccountingSettings
from backend.config.api_keys import check_api_keys, parse_api_keys
from backend.config.api_settings import ApiSettings
from backend.config.chain.bundle_settings import BundleSettings
from backend.config.chain.cluster_settings import ClusterSettings
from backend.config.chain.fee_settings import FeeSettings
from backend.config.chain.node_settings import NodeSettings
from backend.config.chain.node_urls import parse_node_urls
from backend.config.chain.signer_settings import SignerSettings
from backend.config.chain.wallet_settings import WalletSettings
from backend.config.execution_settings import ExecutionSettings
from backend.config.notify_settings import NotifySettings
from backend.config.redis.url import parse_redis_url
from backend.config.routing_settings import (
    RoutingSettings,
    check_hop_tokens,
    check_lookup_tables,
)
from backend.config.secret_files import (
    FILE_SUFFIX,
    ConfigurationError,
    SecretFileSource,
    is_secret,
    read_secret_file,
)
from backend.config.server_settings import ServerSettings
from backend.config.trading_settings import TradingSettings
from backend.config.webhook_settings import WebhookSettings
from backend.domain.spelling import suggest_name

ENV_PREFIX = "ORDER_ENGINE_"
OFF: Final = "off"
_OTHER_VARIABLES = frozenset(
    f"{ENV_PREFIX}{name}" for name in ("URL", "KEY", "API_KEY", "API_KEY_FILE", "PROG")
)
"""Variables of clients and scripts, which are no settings of a server."""


class Settings(
    AccessSettings,
    AccountingSettings,
    ApiSettings,
    ClusterSettings,
    BundleSettings,
    ExecutionSettings,
    FeeSettings,
    NodeSettings,
    NotifySettings,
    RoutingSettings,
    ServerSettings,
    SignerSettings,
    TradingSettings,
    WalletSettings,
    WebhookSettings,
):
    """All settings with their defaults."""

    model_config = SettingsConfigDict(  # type: ignore[mutable-override]  # of all bases
        env_prefix=ENV_PREFIX, frozen=True, extra="ignore", populate_by_name=True
    )

    @field_validator(
        *("wallet_file", "data_dir", "trace_dir", "send_auth_file", "jito_auth_file"), mode="before"
    )
    @classmethod
    def _read_no_path(cls, path: object) -> object:
        return path or None  # an empty variable is none

    @field_validator("redis_url")
    @classmethod
    def _check_redis_url(cls, url: str | None) -> str | None:
        if url is None or not url.strip():
            return None
        parse_redis_url(url)
        return url

    @field_validator("solana_rpc_url")
    @classmethod
    def _check_solana_rpc_url(cls, text: str | None) -> str | None:
        return ",".join(parse_node_urls(text or "")) or None

    @field_validator("rpc_ws_url")
    @classmethod
    def _check_rpc_ws_url(cls, url: str) -> str:
        if url in {"", OFF}:
            return url
        try:
            parts = urlsplit(url)
            is_valid = parts.scheme in {"ws", "wss"} and parts.hostname and parts.port != 0
        except ValueError:  # of the port
            is_valid = False
        if not is_valid:
            raise ValueError("must be `off`, or an address that begins with ws:// or wss://")
        return url

    @field_validator("api_keys", mode="before")
    @classmethod
    def _check_api_keys(cls, keys: str | Sequence[str]) -> tuple[str, ...]:
        return parse_api_keys(keys) if isinstance(keys, str) else check_api_keys(keys)

    @field_validator("hop_tokens", mode="before")
    @classmethod
    def _check_hop_tokens(cls, names: str | Sequence[str]) -> tuple[str, ...]:
        return check_hop_tokens(names)

    @field_validator("lookup_tables", mode="before")
    @classmethod
    def _check_lookup_tables(cls, addresses: str | Sequence[str]) -> tuple[str, ...]:
        return check_lookup_tables(addresses)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments come before files of secrets, and these before other variables."""
        files = SecretFileSource(settings_cls, list_secrets(), os.environ)
        return init_settings, files, env_settings

    def __repr_args__(self) -> Iterable[tuple[str | None, object]]:
        """What ``repr`` shows: no secrets."""
        secrets = list_secrets()
        return [each for each in super().__repr_args__() if each[0] not in secrets]

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


def list_secrets() -> dict[str, str]:
    """The settings that may hold secrets, with their variables; each has a ``_FILE`` too."""
    fields = Settings.model_fields.items()
    return {name: get_variable_name(name) for name, field in fields if is_secret(field)}


def list_variables() -> set[str]:
    """The variables of all settings, those of files with secrets among them."""
    files = {variable + FILE_SUFFIX for variable in list_secrets().values()}
    return {get_variable_name(field) for field in Settings.model_fields} | files


def find_unknown_variables(environ: Iterable[str]) -> list[str]:
    """A sentence for each variable that is named as a setting is, and is none.

    A misspelt one would else be ignored in silence.
    """
    known = list_variables() | _OTHER_VARIABLES
    suffixes = [name.removeprefix(ENV_PREFIX) for name in sorted(known)]
    unknown = [
        name
        for name in sorted(environ)
        if name.upper().startswith(ENV_PREFIX) and name.upper() not in known
    ]
    sentences = []
    for name in unknown:
        meant = suggest_name(name[len(ENV_PREFIX) :], suffixes)
        hint = "" if meant is None else f": did you mean {ENV_PREFIX}{meant}?"
        sentences.append(f"{name} is no setting, and is ignored{hint}")
    return sentences


def build_child_environment(inherited: Mapping[str, str], **settings: object) -> dict[str, str]:
    """The environment of a child process that gets exactly these settings."""
    own_names = list_variables()
    inherited_others = {
        name: value
        for name, value in inherited.items()
        if name not in own_names and not name.startswith(ENV_PREFIX)
    }
    return {
        **inherited_others,
        **{get_variable_name(name): str(value) for name, value in settings.items()},
    }


def set_variables(environ: Mapping[str, str], **settings: str) -> dict[str, str]:
    """An environment with these settings too; a secret that a file holds stays in the file."""
    changed = dict(environ)
    for name, value in settings.items():
        variable = get_variable_name(name)
        path = changed.get(variable + FILE_SUFFIX)
        if path and read_secret_file(Path(path), variable + FILE_SUFFIX) == value:
            continue
        changed.pop(variable + FILE_SUFFIX, None)
        changed[variable] = value
    return changed


def _format_errors(error: ValidationError) -> str:
    messages = []
    for problem in error.errors(include_url=False, include_context=False):
        if problem["loc"]:
            field = str(problem["loc"][0]).lower()
            name = get_variable_name(field) if field in Settings.model_fields else field.upper()
            if field in list_secrets():
                messages.append(f"{name} {problem['msg'].removeprefix('Value error, ')}")
            else:
                messages.append(f"{name} is {problem['input']!r}: {problem['msg'].lower()}")
        else:
            messages.append(problem["msg"])
    return "; ".join(messages)
