"""Settings of what operators are told, and by which services."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings

from backend.config.secret_files import SECRET


class NotifySettings(BaseSettings):
    """Settings of what operators are told, and by which services."""

    notify: Annotated[str, SECRET] = Field(
        "",
        repr=False,
        description="Where API processes tell what an operator must hear (halts and resumes,"
        " breakers, stops that fired, balances that no order explains, webhooks that are disabled):"
        " addresses of apprise, such as `tgram://…` or `mailto://…`, separated by commas. Needs"
        " the extra `notify`, which `scripts/install` brings along.",
    )
    notify_interval_s: float = Field(
        10,
        ge=0,
        le=3_600,
        description="Least time between two such messages, in seconds; what happens meanwhile is"
        " one message.",
    )
