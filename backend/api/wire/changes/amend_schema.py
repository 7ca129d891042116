"""The body of a request that amends a waiting order: the terms to change."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from pydantic import ConfigDict
from pydantic.alias_generators import to_camel

from backend.api.wire.body_fields import replace_reasons, use_written_names, validate_fields
from backend.api.wire.fields import Amount, BasisPoints, Flag, Timestamp
from backend.api.wire.order_types.amounts import (
    PLACEHOLDER,
    Holdings,
    OrderAmount,
    estimate_share,
    find_refusal,
    read_share,
)
from backend.api.wire.order_types.conditions import ConditionBody, add_errors
from backend.api.wire.order_types.fees import FeeBody, amend_fees
from backend.api.wire.problems import FieldError, invalid_fields
from backend.api.wire.request_schemas import ORDER_FIELDS
from backend.api.wire.spellings import describe_spellings
from backend.domain.amounts import parse_amount
from backend.domain.orders import OrderTerms
from backend.domain.times import parse_time
from backend.domain.waiting.amendments import TermsChange, amend_terms
from backend.domain.waiting.shares import is_share

_FINAL: Final = "cannot be amended: cancel the order, and place another"
_NULL: Final = "cannot be null: leave it out to keep it as it is"


def _tighten_schema(schema: dict[str, Any]) -> None:
    """Adjust pydantic's schema: fields may be absent, and only the expiry may be null."""
    properties = schema["properties"]
    for name, field_schema in properties.items():
        del field_schema["title"], field_schema["default"]
        if name != "expiresAt":
            properties[name] = field_schema["anyOf"][0]
            if "description" in field_schema:
                properties[name].setdefault("description", field_schema["description"])
    describe_spellings(properties)
    schema["minProperties"] = 1


class AmendBody(FeeBody, ConditionBody):
    """The terms of a waiting order to change; what is left out stays as it is.

    An ``expiresAt`` of null takes the expiry back.
    """

    model_config = ConfigDict(
        extra="forbid", alias_generator=to_camel, json_schema_extra=_tighten_schema
    )

    amount: OrderAmount | None = None
    min_amount_out: Amount | None = None
    slippage_bps: BasisPoints | None = None
    max_price_impact_bps: BasisPoints | None = None
    expires_at: Timestamp | None = None
    allow_immediate: Flag | None = None


@dataclass(frozen=True, slots=True)
class AmendRequest:
    """A valid amendment, of an order that is not known yet.

    ``has_expiry`` if ``expires_at`` is to be changed, ``None`` to no expiry. ``allows_immediate``
    if the order may be met at once by its new terms.
    """

    body: AmendBody
    written_names: dict[str, str]
    has_expiry: bool
    expires_at: datetime | None

    @property
    def allows_immediate(self) -> bool:
        """Whether the order may be met at once by its new terms."""
        return bool(self.body.allow_immediate)

    @property
    def sells_share(self) -> bool:
        """Whether the new amount is a share of what the wallet holds."""
        return is_share(self.body.amount)

    def apply(
        self,
        terms: OrderTerms,
        holdings: Holdings,
        *,
        is_triggered: bool,
        is_following: bool,
        priority_fee_max: int,
    ) -> OrderTerms:
        """The terms of an order after this change, as ``amend_terms``.

        A share is estimated by ``holdings``, ``priority_fee_max`` is in lamports. Raises
        ``Problem`` (422) with all errors, and ``Transient`` if what the wallet holds is not known.
        """
        errors: list[FieldError] = []
        body, token_out = self.body, terms.token_out
        share = read_share(body.amount, errors)
        amount_in: int | None = PLACEHOLDER
        if share is not None:
            amount_in = estimate_share(terms, share, holdings)
        elif not self.sells_share:
            amount_in = self._read_amount("amount", body.amount, terms.token_in.decimals, errors)
        least = self._read_amount("minAmountOut", body.min_amount_out, token_out.decimals, errors)
        change = TermsChange(
            *(body.to_fields(least), amount_in, body.slippage_bps, body.max_price_impact_bps),
            amount_in_bps=share,
        )
        amended, refused = amend_terms(
            terms, change, is_triggered=is_triggered, is_following=is_following
        )
        add_errors(refused, errors)
        fees = amend_fees(terms.fees, body, priority_fee_max, errors)
        if amended is None or errors:
            raise invalid_fields(use_written_names(errors, self.written_names))
        amended = replace(amended, fees=fees)
        if share is not None and (refusal := find_refusal(amended, holdings, self.written_names)):
            raise refusal
        return amended

    def _read_amount(
        self, field: str, value: Amount | None, decimals: int, errors: list[FieldError]
    ) -> int | None:
        try:
            return None if value is None else parse_amount(value, decimals)
        except ValueError as error:
            errors.append(FieldError(field, "invalid_field", str(error)))
            return None


def read_amendment(raw: object) -> AmendRequest:
    """Parse an amendment. Raises ``Problem`` (422) with all invalid fields."""
    errors: list[FieldError] = []
    body, written_names = validate_fields(AmendBody, raw, errors)
    errors = replace_reasons(errors, ORDER_FIELDS, _FINAL)
    given = body.model_fields_set
    names = {name: to_camel(name) for name in AmendBody.model_fields}
    errors += [
        FieldError(names[name], "invalid_field", _NULL)
        for name in sorted(given - {"expires_at"})
        if getattr(body, name) is None
    ]
    expires_at = None
    try:
        expires_at = None if body.expires_at is None else parse_time(body.expires_at)
    except ValueError as error:
        errors.append(FieldError("expiresAt", "invalid_field", str(error)))
    if not errors and not given - {"allow_immediate"}:
        known = ", ".join(name for name in names.values() if name != "allowImmediate")
        errors.append(FieldError("", "missing_field", f"nothing is to be changed: give {known}"))
    if errors:
        raise invalid_fields(use_written_names(errors, written_names))
    return AmendRequest(body, written_names, "expires_at" in given, expires_at)
