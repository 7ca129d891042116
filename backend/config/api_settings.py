"""Settings of orders as the API accepts them: defaults, limits, access, proxies."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, NoDecode

from backend.config.secret_files import SECRET


class ApiSettings(BaseSettings):
    """Settings of orders as the API accepts them: defaults, limits, access, proxies."""

    slippage_bps: int = Field(
        50, ge=0, le=10_000, description="Default slippage of an order, in basis points."
    )
    stop_slippage_bps: int = Field(
        300,
        ge=0,
        le=10_000,
        description="Default slippage of an order that is sold at the market when its trigger is"
        " met, in basis points.",
    )
    max_price_impact_bps: int = Field(
        500,
        ge=0,
        le=10_000,
        description="Default cap on the price impact of an order, in basis points: a quote above"
        " it is refused before anything is signed; 10000 means no cap.",
    )
    body_bytes_max: int = Field(
        1_048_576, ge=1_024, le=67_108_864, description="Maximum size of a request body, in bytes."
    )
    all_bodies_bytes_max: int = Field(
        67_108_864,
        ge=1_024,
        description="Maximum size of all request bodies together that one API process holds, in"
        " bytes; above it the one that takes the longest to arrive gets a 503 response.",
    )
    batch_orders_max: int = Field(
        1_000, ge=1, le=10_000, description="Maximum number of orders in one batch."
    )
    open_orders_max: int = Field(
        100_000,
        ge=1,
        description="Number of open orders of all owners above which new orders get a 503"
        " response.",
    )
    owner_open_orders_max: int | None = Field(
        None,
        ge=1,
        description="Number of open orders of one owner above which its new orders get a 429"
        " response. Unset: with several owners nine tenths of `ORDER_ENGINE_OPEN_ORDERS_MAX`, so"
        " that none of them reaches that one alone.",
    )
    readers_max: int = Field(
        5,
        ge=1,
        le=100,
        description="Number of database connections of one API process for what clients read;"
        " orders are placed and streamed on others.",
    )
    read_timeout_s: float = Field(
        2,
        ge=0.05,
        le=60,
        description="Time limit of a read from the database for a client, in seconds, and of its"
        " wait for a connection; then the response is 503.",
    )
    sockets_max: int = Field(
        12_000, ge=1, description="Maximum number of WebSocket connections of one API process."
    )
    api_keys: Annotated[tuple[str, ...], NoDecode, SECRET] = Field(
        (),
        description="`owner:key` pairs, separated by commas; a key has 16 or more letters. Unset or"
        " empty: there are stored keys (`order-engine keys`) or none, and without any the API"
        " listens on loopback only.",
    )
    open_access: str = Field(
        "loopback",
        pattern="^(never|loopback|network|live)$",
        description="How far an API without keys may be open: `never`, it serves stored keys and"
        " tokens only; on `loopback`; to the whole `network`; or `live`, also where"
        " `ORDER_ENGINE_LIVE` is set. Else it does not start.",
    )
    allowed_hosts: str = Field(
        "",
        description="Hosts that clients may name, separated by commas, beside that of the public"
        " URL: on loopback only loopback hosts are answered to, without keys no other name"
        " anywhere, so that no page can use the API under a name of its own.",
    )
    cors_origins: str = Field(
        "",
        description="Origins of other sites whose pages may use the API and its WebSockets, such as"
        " `https://app.example`, separated by commas. Empty: none.",
    )
    metrics_access: str = Field(
        "loopback",
        pattern="^(loopback|key|open)$",
        description="Who may read `/metrics`, of the API and of workers: callers on `loopback`,"
        " those with an API `key`, or everybody (`open`).",
    )
    rate_limit: int = Field(
        0, ge=0, description="Maximum number of orders per second from one owner; 0 means no limit."
    )
    public_url: str | None = Field(
        None,
        description="URL at which clients reach the API through a proxy, such as"
        " `https://orders.example/engine`. Unset: what trusted proxies forward, else `Host`.",
    )
    trusted_proxies: str = Field(
        "127.0.0.0/8,::1",
        description="Addresses and networks of the proxies whose `Forwarded` and `X-Forwarded-*`"
        " headers are believed, separated by commas; empty: none.",
    )
    keep_alive_s: float = Field(
        75,
        ge=1,
        le=3_600,
        description="Time for which an idle HTTP connection is kept open, in seconds: longer than"
        " a proxy keeps it, which would else send requests into a closed one.",
    )
    ping_s: float = Field(
        20,
        ge=0.1,
        le=300,
        description="Interval of ping frames on an open WebSocket, in seconds: shorter than proxies"
        " cut silent ones. A peer that leaves two unanswered is disconnected.",
    )
    drain_s: float | None = Field(
        None,
        ge=0,
        le=300,
        description="Time in which a stopping API still takes orders while `/readyz` says 503, in"
        " seconds, so that balancers turn away first. Unset: 5 for `order-engine api`, 0 for `up`.",
    )

    def find_owner_open_orders_max(self) -> int:
        """The bound on the open orders of one owner."""
        if self.owner_open_orders_max is not None:
            return self.owner_open_orders_max
        owners = {pair.partition(":")[0] for pair in self.api_keys}
        return self.open_orders_max * 9 // 10 or 1 if len(owners) > 1 else self.open_orders_max
