"""Settings of webhooks: how many, where to, and how they are delivered."""

from __future__ import annotations

from ipaddress import ip_network

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings

from backend.config.comma_list import split_commas


class WebhookSettings(BaseSettings):
    """Settings of webhooks: how many, where to, and how they are delivered."""

    owner_webhooks_max: int = Field(
        10, ge=0, le=1_000, description="Most webhooks of one owner; 0: there are none."
    )
    webhook_networks: str = Field(
        "",
        description="Networks that webhooks may reach although they are not public, such as"
        " `10.2.0.0/16`, separated by commas. Empty: none.",
    )
    webhook_http: bool = Field(
        False, description="Whether the address of a webhook may begin with `http://`."
    )
    webhook_timeout_s: float = Field(
        10, gt=0, le=60, description="Time that a receiver of a webhook has to answer, in seconds."
    )
    webhook_backoff_s: float = Field(
        2,
        ge=0.01,
        le=600,
        description="Wait before a message that a receiver has not taken is sent again, in seconds;"
        " it doubles each time, up to half an hour.",
    )
    webhook_failing_max_s: float = Field(
        86_400,
        gt=0,
        le=2_592_000,
        description="Time after which a webhook is disabled that nothing could be delivered to, or"
        " that refuses one event, in seconds.",
    )
    webhook_lease_s: float = Field(
        20,
        ge=0.5,
        le=300,
        description="Time after which another API process delivers the webhooks of one that has"
        " died, in seconds.",
    )

    @field_validator("webhook_networks")
    @classmethod
    def _check_webhook_networks(cls, text: str) -> str:
        for part in split_commas(text):
            ip_network(part)
        return text
