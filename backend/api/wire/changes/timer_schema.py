"""The body of the request that sets a cancel timer."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from backend.api.wire.body_fields import validate_fields
from backend.api.wire.fields import integral_to_int
from backend.api.wire.problems import FieldError, invalid_fields
from backend.store.withdrawals.cancel_timers import SECONDS_MAX


def _tighten_schema(schema: dict[str, Any]) -> None:
    """Adjust pydantic's schema: the field is required, and not null."""
    field_schema = schema["properties"]["seconds"]
    schema["properties"]["seconds"] = {
        **field_schema["anyOf"][0],
        "description": "In how many seconds all open orders are cancelled; 0 turns it off.",
    }
    schema["required"] = ["seconds"]


class CancelAfterBody(BaseModel):
    """In how many seconds all open orders of the caller are cancelled; 0 for never."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_tighten_schema)

    seconds: (
        Annotated[int, Field(strict=True, ge=0, le=SECONDS_MAX), BeforeValidator(integral_to_int)]
        | None
    ) = None


def read_cancel_after(raw: object) -> int:
    """The seconds of a request. Raises ``Problem`` (422) with all invalid fields."""
    errors: list[FieldError] = []
    body, _ = validate_fields(CancelAfterBody, raw, errors)
    if body.seconds is None and not any(error.field == "seconds" for error in errors):
        errors.append(FieldError("seconds", "missing_field", "is required; 0 turns it off"))
    if errors or body.seconds is None:
        raise invalid_fields(errors)
    return body.seconds
