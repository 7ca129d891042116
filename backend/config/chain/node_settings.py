"""Settings of several nodes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AliasChoices, Field, field_validator
from pydantic_settings import BaseSettings

from backend.config.chain.node_urls import parse_node_urls
from backend.config.secret_files import SECRET


class NodeSettings(BaseSettings):
    """Settings of several nodes."""

    solana_send_urls: Annotated[str, SECRET] = Field(
        "",
        validation_alias=AliasChoices("SOLANA_SEND_URLS", "solana_send_urls"),
        description="URLs, separated by commas, that transactions are sent to besides the nodes of"
        " `SOLANA_RPC_URL`; nothing is asked of them.",
    )
    send_auth_file: Path | None = Field(
        None,
        description="File with the `Authorization` header for the requests to `SOLANA_SEND_URLS`.",
    )
    node_check_s: float = Field(
        2,
        ge=0.1,
        le=60,
        description="Interval at which each of several nodes is asked how far it has come, in"
        " seconds.",
    )
    node_lag_slots_max: int = Field(
        10,
        ge=1,
        le=150,
        description="Of several nodes, one that is more slots behind the others is left out until"
        " it has caught up.",
    )

    @field_validator("solana_send_urls")
    @classmethod
    def _check_send_urls(cls, text: str) -> str:
        parse_node_urls(text)
        return text
