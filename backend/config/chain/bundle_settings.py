"""Settings of the bundle endpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings

from backend.config.chain.node_urls import parse_node_urls
from backend.config.secret_files import SECRET


class BundleSettings(BaseSettings):
    """Settings of the bundle endpoint."""

    jito_url: Annotated[str, SECRET] = Field(
        "",
        description="URL of a bundle endpoint (Jito's block engine, such as"
        " `https://mainnet.block-engine.jito.wtf/api/v1/bundles`) that transactions are sent to as"
        " well, each as a bundle of its own. With it, each pays a tip.",
    )
    jito_auth_file: Path | None = Field(
        None,
        description="File with the `x-jito-auth` header for the requests to"
        " `ORDER_ENGINE_JITO_URL`.",
    )
    jito_send: Literal["beside", "first"] = Field(
        "beside",
        description="`beside`: the nodes get every transaction at the same time. `first`: they get"
        " one that pays a tip only if the endpoint does not take it within a second, or once it is"
        " to be sent again (`ORDER_ENGINE_RESEND_S`).",
    )
    tip_lamports: int = Field(
        10_000,
        ge=1_000,
        le=1_000_000_000,
        description="With `ORDER_ENGINE_JITO_URL`: the tip of each transaction, which only one that"
        " succeeds pays. The endpoint tells the accounts that take it; while they are not known,"
        " or where a transaction has no room for it, none is paid, and the nodes alone get it.",
    )

    @field_validator("jito_url")
    @classmethod
    def _check_jito_url(cls, text: str) -> str:
        if len(parse_node_urls(text)) > 1:
            raise ValueError("names several addresses, and one is taken")
        return text.strip().rstrip(",")
