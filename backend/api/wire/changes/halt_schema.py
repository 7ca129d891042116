"""The bodies of the requests that halt and resume trading."""

from __future__ import annotations

from typing import Final, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from backend.api.wire.body_fields import validate_fields
from backend.api.wire.problems import FieldError, invalid_fields
from backend.domain.errors import InvalidInput
from backend.domain.tokens import TokenRegistry
from backend.domain.trading.states import Scope, Target, TradingState
from backend.domain.trading.targets import parse_target, require_line
from backend.store.trading.changes import StateChange

WHY_LENGTH_MAX: Final = 500


class ResumeBody(BaseModel):
    """The orders that are meant: of an owner, of a pair, by an exchange, or all."""

    model_config = ConfigDict(extra="forbid")

    owner: str | None = Field(None, max_length=200)
    pair: str | None = Field(None, max_length=100, description="Two tokens, such as `SOL/USDC`.")
    dex: str | None = Field(None, max_length=32)


class HaltBody(ResumeBody):
    """What is halted, why, and whether open orders are cancelled with it."""

    why: str | None = Field(None, max_length=WHY_LENGTH_MAX)
    state: str | None = Field(
        None,
        max_length=16,
        description="`HALTED`, or `REDUCING`: then what sells into the reference token goes on.",
    )
    cancel: bool | None = Field(None, strict=True)


class HaltRequest(NamedTuple):
    """A state that is to be set; ``cancels`` what it stops."""

    change: StateChange
    cancels: bool


def read_halt(raw: object, tokens: TokenRegistry, reference: str) -> HaltRequest:
    """The request of a body. Raises ``Problem`` (422) with all invalid fields."""
    errors: list[FieldError] = []
    body, _ = validate_fields(HaltBody, raw, errors)
    target = _find_target(body, tokens, errors)
    why, cancels = _read_why(body, errors), bool(body.cancel)
    if not why and not any(each.field == "why" for each in errors):
        errors.append(FieldError("why", "missing_field", "is required: the reason, for people"))
    state = (body.state or TradingState.HALTED).upper()
    if state not in {TradingState.HALTED, TradingState.REDUCING}:
        reason = "must be HALTED or REDUCING; resume makes it ACTIVE"
        errors.append(FieldError("state", "invalid_field", reason))
    elif state == TradingState.REDUCING and target.scope not in {Scope.ALL, Scope.OWNER}:
        reason = "REDUCING is for all orders or for those of an owner"
        errors.append(FieldError("state", "invalid_field", reason))
    if cancels and target.scope is Scope.DEX:
        reason = "cannot be true with dex: orders are of no exchange, and go on by the others"
        errors.append(FieldError("cancel", "invalid_field", reason))
    if errors:
        raise invalid_fields(errors)
    is_reducing = state == TradingState.REDUCING
    change = StateChange(target, TradingState(state), why, reference if is_reducing else None)
    return HaltRequest(change, cancels)


def _read_why(body: HaltBody, errors: list[FieldError]) -> str:
    try:
        return require_line("why", body.why or "")
    except InvalidInput as error:
        errors.append(FieldError(error.field, error.code, error.reason))
        return ""


def read_resume(raw: object, tokens: TokenRegistry) -> Target:
    """What is to be active again. Raises ``Problem`` (422) with all invalid fields."""
    errors: list[FieldError] = []
    body, _ = validate_fields(ResumeBody, raw, errors)
    target = _find_target(body, tokens, errors)
    if errors:
        raise invalid_fields(errors)
    return target


def _find_target(body: ResumeBody, tokens: TokenRegistry, errors: list[FieldError]) -> Target:
    try:
        return parse_target(tokens, owner=body.owner, pair=body.pair, dex=body.dex)
    except InvalidInput as error:
        errors.append(FieldError(error.field, error.code, error.reason))
        return Target(Scope.ALL)
