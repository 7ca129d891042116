"""Settings of workers: leases, attempts, quotes, submission."""

from __future__ import annotations

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings

from backend.config.comma_list import split_commas

OWNER_WEIGHT_MAX = 1_000


class ExecutionSettings(BaseSettings):
    """Settings of workers: leases, attempts, quotes, submission."""

    workers: int = Field(1, ge=1, le=64, description="Number of worker processes that `up` starts.")
    trigger_lease_s: float = Field(
        5,
        ge=1,
        le=300,
        description="For how long a worker that does not respond keeps the waiting orders whose"
        " prices it watches, in seconds; then another one watches them.",
    )
    trigger_interval_s: float = Field(
        0.4,
        ge=0.05,
        le=60,
        description="Interval at which pools are read for waiting orders while the node tells no"
        " slots, in seconds.",
    )
    orders_in_flight_max: int = Field(
        10_000,
        ge=1,
        le=100_000,
        description="Maximum number of orders that one worker executes concurrently.",
    )
    owner_weights: str = Field(
        "",
        description="`owner:weight` pairs, separated by commas: while several owners have orders"
        " waiting, a worker starts so many of this owner's in each round (1 to 1000); 1 for owners"
        " that are not listed.",
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
        description="Time after which an order whose job no worker has executed is claimed from"
        " its row, in seconds.",
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
    limit_cool_down_s: float = Field(
        1,
        ge=0.05,
        le=60,
        description="How long a limit order whose price could not be had waits at least before it"
        " is tried again, in seconds.",
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
    quote_slots_max: int = Field(
        8,
        ge=0,
        le=150,
        description="Maximum number of slots that a pool which the node's notifications keep"
        " current may be behind the newest slot; an older one is read. 0, or a `quote_age_s` of 0:"
        " pools are always read.",
    )
    rpc_rate_limit: float = Field(
        0,
        ge=0,
        le=100_000,
        description="Maximum number of JSON-RPC calls per second of one process to the node; calls"
        " in an array count each. 0 means no limit but those that the node's refusals teach.",
    )
    rpc_method_rate_limit: float = Field(
        0,
        ge=0,
        le=100_000,
        description="The same for the calls of each single method.",
    )
    rpc_timeout_s: float = Field(
        5, gt=0, le=120, description="Timeout of a request to the node, in seconds."
    )
    outage_wait_s: float = Field(
        60,
        ge=0,
        le=3_600,
        description="How long an order of which nothing is signed waits while the node or every"
        " venue is unavailable, in seconds; then it fails. Waiting uses up no attempt.",
    )
    history_wait_s: float = Field(
        15,
        ge=0,
        le=600,
        description="How long a landed transaction may be missing from the node's history, in"
        " seconds; then its order is confirmed without its amount, which follows when it is told.",
    )
    blockhash_age_s: float = Field(
        1,
        ge=0,
        le=30,
        description="Greatest age of the blockhash that a transaction is signed with, in seconds."
        " It is one of a confirmed block, and the transaction can land for 150 blocks after it.",
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
        pattern="^([a-z_]{1,32}:[1-9][0-9]{0,5})?$",
        description="For failure tests: `point:n` kills a worker when it reaches a point for the"
        " n-th time: with an order `claimed`, `quoted`, `stored`, `sent` or `settled`, or one of"
        " `backend/triggers/attempts.py`.",
    )

    @field_validator("owner_weights")
    @classmethod
    def _check_owner_weights(cls, text: str) -> str:
        _parse_owner_weights(text)
        return text

    def parse_owner_weights(self) -> dict[str, int]:
        """The weights of ``owner_weights`` by owner."""
        return _parse_owner_weights(self.owner_weights)


def _parse_owner_weights(text: str) -> dict[str, int]:
    weights: dict[str, int] = {}
    for pair in split_commas(text):
        owner, _, number = (part.strip() for part in pair.rpartition(":"))
        if not owner or not number.isascii() or not number.isdigit():
            raise ValueError(f"each must be owner:weight, such as desk:4, and {pair!r} is not")
        if not 1 <= int(number) <= OWNER_WEIGHT_MAX:
            raise ValueError(f"the weight in {pair!r} must be from 1 to {OWNER_WEIGHT_MAX}")
        if owner in weights:
            raise ValueError(f"{owner!r} has two weights")
        weights[owner] = int(number)
    return weights
