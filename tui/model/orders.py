"""One order in the model: its terms, its current state and its steps.

Amounts and prices stay the decimal text that the API sent, or become ``Decimal``; nothing is a
float. An order changes only through ``apply_event`` (one event), ``load_stored`` (the stored order)
and ``replace_history`` (all events). ``version`` increases with each change, so that a drawn row
can be checked for being up to date.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from sys import intern
from typing import Any, Final, cast

from tui.model.conditions import (
    AMENDED_FIELDS,
    GUARD_FIELDS,
    HAVE_ONE_ATTEMPT,
    SNIPER,
    Condition,
    MetTrigger,
)
from tui.model.counts.batch_names import name_batch
from tui.model.routes.route import Route, has_route
from tui.model.step_history import AttemptFailure, StepHistory
from tui.model.swap import Swap
from tui.model.waiting import Distance, Outage, Relations, Slices
from tui.model.wire import WireEvent, WireOrder
from tui.text.format import parse_timestamp_ms
from tui.text.symbols import FINAL_STATUSES


class Order(Swap):
    """An order; ``id`` is immutable and sorts by the time of creation."""

    __slots__ = (
        "attempt",
        "batch_id",
        "batch_name",
        "client_order_id",
        "condition",
        "created_ms",
        "distance",
        "executed_price",
        "expires_ms",
        "failure",
        "guards",
        "id",
        "is_triggered",
        "max_price_impact_bps",
        "may_land_until",
        "met",
        "min_amount_out",
        "network_fee_lamports",
        "outage",
        "relations",
        "rent_lamports",
        "seq",
        "share",
        "slippage_bps",
        "status",
        "steps",
        "time_in_force",
        "tip_lamports",
        "tx_hash",
        "type",
        "updated_ms",
        "version",
    )

    def __init__(self, order_id: str) -> None:
        super().__init__()
        self.id = order_id
        self.version = 0
        self.seq = 0
        self.status = "pending"
        self.attempt = 1
        self.type = "market"
        self.share: str | None = None
        self.slippage_bps = 0
        self.max_price_impact_bps: int | None = None
        self.min_amount_out: str | None = None
        self.condition: Condition | None = None
        self.is_triggered = False
        self.met: MetTrigger | None = None
        self.distance: Distance | None = None
        self.outage: Outage | None = None
        self.relations: Relations | None = None
        self.guards: tuple[tuple[str, Any], ...] = ()
        self.time_in_force = "gtc"
        self.expires_ms: int | None = None
        self.batch_id: str | None = None
        self.batch_name: str | None = None
        self.client_order_id: str | None = None
        self.tx_hash: str | None = None
        self.may_land_until: int | None = None
        self.executed_price: str | None = None
        self.network_fee_lamports = self.tip_lamports = self.rent_lamports = 0
        self.failure: AttemptFailure | None = None
        self.created_ms = self.updated_ms = 0
        self.steps = StepHistory()

    @property
    def short_id(self) -> str:
        """The last eight characters of the id, which are random; the first ones are its time."""
        return self.id[-8:]

    @property
    def rank(self) -> str:
        """Sorts orders by the time of creation, and the children of a parent beside it."""
        if self.parent_id is None:
            return f"{self.id}~"
        return f"{self.parent_id} {_LATEST_MS - self.created_ms:014d} {self.id}"

    @property
    def parent_id(self) -> str | None:
        """The order that it came to be of: an entry, or a TWAP."""
        return None if self.relations is None else self.relations.parent_id

    @property
    def oco_group(self) -> str | None:
        """What both orders of an OCO have in common."""
        return None if self.relations is None else self.relations.oco_group

    @property
    def is_end(self) -> bool:
        """Whether the order has reached a final status."""
        return self.status in FINAL_STATUSES

    @property
    def can_wait(self) -> bool:
        """Whether the order waits for a price: its time is not only that of its execution."""
        waits = self.condition is not None or self.slices is not None or self.type == SNIPER
        return waits and self.time_in_force not in HAVE_ONE_ATTEMPT

    @property
    def has_full_history(self) -> bool:
        """Whether all steps of the order are loaded."""
        return len(self.steps) == self.seq

    def duration_ms(self, now_ms: int) -> int:
        """Return the time from acceptance to the end, or until now."""
        return max((self.updated_ms if self.is_end else now_ms) - self.created_ms, 0)

    def copy(self) -> Order:
        """Return a copy that later changes of the order do not affect."""
        duplicate = copy(self)
        duplicate.steps = self.steps.copy()
        return duplicate

    def apply_event(self, event: WireEvent) -> None:
        """Apply the next event."""
        self.seq = event["seq"]
        self.status = intern(event["status"])
        self.attempt = event["attempt"]
        self.updated_ms = parse_timestamp_ms(event["at"])
        self.version += 1
        self.distance = self.outage = None
        failure = None
        if "code" in event:
            failure = AttemptFailure(
                intern(event["code"]), event.get("reason", ""), event.get("waitMs", 0)
            )
            self.failure = failure
        elif self.status == "confirmed":
            self.failure = None
        if len(self.steps) == self.seq - 1:
            self.steps.append(self.status, self.attempt, self.updated_ms, failure)
        if self.seq == 1:
            self.created_ms = self.updated_ms
            self.network_fee_lamports = self.tip_lamports = self.rent_lamports = 0
            self._load_terms(event)
        else:
            self.network_fee_lamports += event.get("networkFeeLamports") or 0
            self.tip_lamports += event.get("tipLamports") or 0
            self.rent_lamports += event.get("rentLamports") or 0
            met = MetTrigger.read(event)
            if self.status == WAITING:
                self._amend(event)
            if met is None:
                self._load_progress(event)
            else:  # the venue that met the condition need not be the one that executes it
                self.met, self.is_triggered = met, self.type != "limit"
                self.amount_in = event.get("amountIn", self.amount_in)
                self.min_amount_out = event.get("minAmountOut", self.min_amount_out)

    def set_waiting(self, record: Mapping[str, Any]) -> bool:
        """Take over what a record says of an order that waits; whether it is news.

        It is none if the record is older than the last event.
        """
        if record.get("seq", self.seq) < self.seq:
            return False
        known = self.distance, self.outage, self.slices
        self.outage = None if self.is_end else Outage.read(record)
        if self.status == WAITING:
            self.distance = Distance.read(record)
            self.slices = self.slices and Slices.read(record, self.slices)
        is_news = known != (self.distance, self.outage, self.slices)
        self.version += is_news
        return is_news

    def _amend(self, event: WireEvent) -> None:
        """Take over the terms that an amendment has changed, or that a slice was placed."""
        if self.slices is not None and "slice" in event:
            self.slices = self.slices._replace(placed=max(self.slices.placed, event["slice"]))
            return
        told = cast(Mapping[str, Any], event)
        changed: dict[str, Any] = {name: told[name] for name in AMENDED_FIELDS if name in told}
        if not changed:
            return
        condition = {} if self.condition is None else self.condition.to_terms()
        self.condition = Condition.read({**condition, "type": self.type, **changed})
        self.amount_in = changed.get("amountIn", self.amount_in)
        self.share = changed.get("amountInShare", self.share)
        self.slippage_bps = changed.get("slippageBps", self.slippage_bps)
        self.min_amount_out = changed.get("minAmountOut", self.min_amount_out)
        self.max_price_impact_bps = changed.get("maxPriceImpactBps", self.max_price_impact_bps)
        if "expiresAt" in changed:
            self._load_expiry({"timeInForce": self.time_in_force, **changed})

    def load_stored(self, stored: WireOrder) -> None:
        """Replace the state with the stored order."""
        self.seq = stored["seq"]
        self.status = intern(stored["status"])
        self.attempt = stored["attempts"]
        self.created_ms = parse_timestamp_ms(stored["createdAt"])
        self.updated_ms = parse_timestamp_ms(stored["updatedAt"])
        self.version += 1
        self._load_terms(stored)
        self.is_triggered = stored.get("isTriggered") or False
        if stored["route"] is not None:
            self._load_progress(stored["route"])
        self._load_progress({key: stored.get(key) for key in _PROGRESS_FIELDS})
        self.slices = self.slices and Slices.read(stored, self.slices)
        self.distance = Distance.read(stored) if self.status == WAITING else None
        self.outage = Outage.read(stored)
        self.network_fee_lamports = stored.get("networkFeeLamports") or 0
        self.tip_lamports = stored.get("tipLamports") or 0
        self.rent_lamports = stored.get("rentLamports") or 0
        self.failure = None if self.status == _CONFIRMED else AttemptFailure.read(stored)

    def replace_history(self, events: Sequence[WireEvent]) -> None:
        """Rebuild the order from its whole history, unless that ends before the known state."""
        if events and events[-1]["seq"] >= self.seq:
            self.steps = StepHistory()
            stored_fee = self.network_fee_lamports  # the last part may be later than any event
            for event in events:
                self.apply_event(event)
            self.network_fee_lamports = max(self.network_fee_lamports, stored_fee)

    def _load_terms(self, terms: WireEvent | WireOrder) -> None:
        self.type = intern(terms.get("type") or "market")
        self.token_in = intern(terms.get("tokenIn") or "")
        self.token_out = intern(terms.get("tokenOut") or "")
        self.amount_in = terms.get("amountIn") or "0"
        share = terms.get("amountInShare")
        self.share = share if isinstance(share, str) else None
        self.slippage_bps = terms.get("slippageBps") or 0
        self.max_price_impact_bps = terms.get("maxPriceImpactBps")
        self.min_amount_out = terms.get("minAmountOut")
        self.condition = Condition.read(terms)
        self.slices = Slices.read(terms)
        self.relations = Relations.read(terms)
        self.guards = tuple(
            (name, value) for name in GUARD_FIELDS if (value := terms.get(name)) is not None
        )
        self._load_expiry(terms)
        batch_id = terms.get("batchId")
        self.batch_id = intern(batch_id) if batch_id else None
        self.client_order_id = terms.get("clientOrderId")
        self.batch_name = name_batch(self.batch_id, self.client_order_id)

    def _load_expiry(self, terms: Mapping[str, Any]) -> None:
        self.time_in_force = intern(terms.get("timeInForce") or "gtc")
        expires_at = terms.get("expiresAt")
        self.expires_ms = parse_timestamp_ms(expires_at) if expires_at else None

    def _load_progress(self, progress: Mapping[str, Any]) -> None:
        is_route = has_route(progress)
        if is_route:
            self.route = Route(progress)
        if dex := progress.get("dex"):
            self.dex = intern(dex)
        if (tx_hash := progress.get("txHash")) and tx_hash != self.tx_hash:
            self.tx_hash = tx_hash
        self.may_land_until = progress.get("mayLandUntil", self.may_land_until)
        if self.slices is not None:
            self.slices = Slices.read(progress, self.slices)
        elif (amount_out := progress.get("amountOut")) and not is_route:
            self.amount_out = amount_out
            self.executed_price = progress.get("executedPrice")


WAITING: Final = "waiting"
_CONFIRMED: Final = "confirmed"
_LATEST_MS: Final = 99_999_999_999_999
"""Later than any time; so the children of a parent sort by their age, the youngest first."""
_PROGRESS_FIELDS: Final = ("dex", "txHash", "amountOut", "executedPrice", "mayLandUntil")
