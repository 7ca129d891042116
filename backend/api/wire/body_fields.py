"""The fields of a request body by their own names, whatever spellings the client used.

Errors are appended to a list, so that a body's errors are reported together.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import cache
from itertools import islice
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

from backend.api.wire.fields import NAME_LENGTH_MAX, is_printable
from backend.api.wire.problems import ERRORS_MAX, FieldError, Problem, invalid_fields
from backend.api.wire.spellings import (
    SPELLINGS,
    UNKNOWN_FIELD_REASON,
    agree,
    explain_unknown_field,
)

EXPLAINED_FIELDS_MAX: Final = 5
"""So many unknown fields of a body are compared with the known ones: each takes some time."""

REASONS: Final = {
    "string_type": ("invalid_field", "must be a string"),
    "int_type": ("invalid_field", "must be a whole number"),
    "int_parsing_size": ("invalid_field", "is out of range"),
    "list_type": ("invalid_field", "must be an array"),
    "bool_type": ("invalid_field", "must be true or false"),
    "dict_type": ("invalid_field", "must be a JSON object"),
}
"""Codes and reasons by the error types of pydantic."""

Body = TypeVar("Body", bound=BaseModel)


@cache
def _list_names(model: type[BaseModel]) -> frozenset[str]:
    return frozenset(map(to_camel, model.model_fields))


def not_an_object(example: str = "") -> Problem:
    """The problem of a body that is not a JSON object; ``example`` is one of what it has to be."""
    reason = f"must be a JSON object{example and f', such as {example}'}"
    return invalid_fields([FieldError("", "not_an_object", reason)])


def validate_fields(
    model: type[Body], raw: object, errors: list[FieldError]
) -> tuple[Body, dict[str, str]]:
    """The body with its valid fields, and the names that the client used for fields.

    Errors of the other fields are appended to ``errors``. Raises ``Problem`` (422) if ``raw`` is
    not an object.
    """
    if not isinstance(raw, dict):
        raise not_an_object()
    fields: dict[str, object] = raw
    written_names: dict[str, str] = {}
    known = _list_names(model)
    if not raw.keys() <= known:
        fields, written_names = _rename_fields(known, raw, errors)
    try:
        return model.model_validate(fields), written_names
    except ValidationError as error:
        fields = dict(fields)
        for details in error.errors(include_url=False):
            field = str(details["loc"][0])
            fields.pop(field, None)
            errors.append(_to_field_error(field, details))
        return model.model_validate(fields), written_names


def _rename_fields(
    known: frozenset[str], raw: dict[str, object], errors: list[FieldError]
) -> tuple[dict[str, object], dict[str, str]]:
    """The known fields by their names, and how the client wrote those names."""
    fields = {name: value for name, value in raw.items() if name in known}
    written_names: dict[str, str] = {}
    unknown: list[str] = []
    for name, value in raw.items():
        spelling = SPELLINGS.get(name)
        if spelling is not None and spelling.field in known:
            if value is not None:
                _read_spelling(name, value, fields, written_names, errors)
        elif name not in known:
            unknown.append(name)
    for index, name in enumerate(islice(unknown, ERRORS_MAX)):
        is_explained = index < EXPLAINED_FIELDS_MAX
        reason = explain_unknown_field(name, known) if is_explained else UNKNOWN_FIELD_REASON
        errors.append(FieldError(shorten_name(name), "unknown_field", reason))
    return fields, written_names


def _read_spelling(
    name: str,
    value: object,
    fields: dict[str, object],
    written_names: dict[str, str],
    errors: list[FieldError],
) -> None:
    """Put the value of another name into its field, unless it disagrees with what is there."""
    field = SPELLINGS[name].field
    try:
        value = SPELLINGS[name].convert(value)
    except ValueError as error:
        errors.append(FieldError(name, "invalid_field", str(error)))
        return
    if fields.get(field) is None:
        fields[field] = value
        written_names[field] = name
    elif not agree(field, fields[field], value):
        reason = f"is another name of {field} and disagrees with it: give one of them"
        errors.append(FieldError(name, "invalid_field", reason))


def use_written_names(errors: list[FieldError], written_names: dict[str, str]) -> list[FieldError]:
    """The errors by the names that the client used."""
    return [error._replace(field=written_names.get(error.field, error.field)) for error in errors]


def replace_reasons(
    errors: Iterable[FieldError], names: Collection[str], reason: str
) -> list[FieldError]:
    """The errors with this reason for those of unknown fields that have one of these names."""
    return [
        error._replace(reason=reason)
        if error.code == "unknown_field" and error.field in names
        else error
        for error in errors
    ]


def _to_field_error(field: str, details: ErrorDetails) -> FieldError:
    code, reason = REASONS.get(details["type"], ("invalid_field", ""))
    if details["type"] == "value_error":
        reason = str(details["ctx"]["error"])
    if not reason:
        reason = details["msg"].replace("Input should", "must")
    return FieldError(field, code, reason)


def shorten_name(name: str) -> str:
    """A field's name, escaped and shortened so that a problem can show it and a batch store it."""
    return name if is_printable(name, NAME_LENGTH_MAX) else ascii(name)[1:-1][:NAME_LENGTH_MAX]
