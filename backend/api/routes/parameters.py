"""Query parameters and path variables, read into the values that views work with.

What is wrong in them is told all at once, as 400 ``invalid_parameter``; an id that is none names
no order: 404.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import TypeVar
from uuid import UUID

from backend.api.delivery.feed_tail import Filter as StreamFilter
from backend.api.wire.cursors import Place, read_list_cursor, read_stream_cursor
from backend.api.wire.http import Call
from backend.api.wire.problems import BadField, Problem, invalid
from backend.domain.errors import InvalidInput
from backend.domain.lifecycle import Status
from backend.domain.quotes import Dex
from backend.domain.tokens import Tokens
from backend.store.queries import Filter

LIMIT_DEFAULT = 50
LIMIT_MAX = 500
ORDER_IDS_MAX = 500
SEQ_MAX = 2**31 - 1

Value = TypeVar("Value")
Word = TypeVar("Word", bound=StrEnum)


def order_id(text: str) -> UUID:
    """The id of an order. Raises ``Problem`` (404) if the text cannot be one."""
    try:
        return _uuid(text)
    except ValueError:
        raise no_order() from None


def no_order() -> Problem:
    """The problem of an order that its caller does not have."""
    return Problem(404, "order_not_found", "there is no order with this id")


class Parameters:
    """Reads the parameters of one call, and collects what is wrong with them."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._errors: list[BadField] = []

    def check(self) -> None:
        """Raise ``Problem`` (400) if anything was wrong."""
        if self._errors:
            raise invalid(self._errors, 400)

    def one(self, name: str, read: Callable[[str], Value]) -> Value | None:
        """A parameter, if it is given and right. ``read`` raises ``ValueError`` with a reason."""
        text = self._call.arg(name)
        return None if text is None else self._read(name, text, read)

    def many(self, name: str, read: Callable[[str], Value]) -> list[Value]:
        """A parameter that may be repeated, or list its values with commas."""
        texts = [text for value in self._call.args.get(name, ()) for text in value.split(",")]
        values = [self._read(name, text, read) for text in texts]
        return [value for value in values if value is not None]

    def _read(self, name: str, text: str, read: Callable[[str], Value]) -> Value | None:
        try:
            return read(text)
        except InvalidInput as error:
            self._errors.append(BadField(name, error.code, error.reason))
        except ValueError as error:
            code = "invalid_cursor" if "cursor" in str(error) else "invalid_parameter"
            self._errors.append(BadField(name, code, str(error)))
        return None


def list_query(call: Call, tokens: Tokens) -> tuple[Filter, UUID | None, int]:
    """Which orders a list shows, behind which one, and how many."""
    given = Parameters(call)
    which = Filter(
        statuses=tuple(given.many("status", _word(Status))),
        batch_id=given.one("batchId", _uuid),
        dex=given.one("dex", _word(Dex)),
        token_in=given.one("tokenIn", lambda name: tokens.find(name, "tokenIn").symbol),
        token_out=given.one("tokenOut", lambda name: tokens.find(name, "tokenOut").symbol),
    )
    before = given.one("cursor", read_list_cursor)
    limit = given.one("limit", _whole(1, LIMIT_MAX))
    given.check()
    return which, before, LIMIT_DEFAULT if limit is None else limit


def stream_query(call: Call, epoch: UUID) -> tuple[StreamFilter, Place | None]:
    """Which events a stream has, and behind which place, if it says so."""
    given = Parameters(call)
    ids = given.many("orderId", _uuid)
    if len(ids) > ORDER_IDS_MAX:
        raise invalid([BadField("orderId", "invalid_parameter", f"at most {ORDER_IDS_MAX}")], 400)
    which = StreamFilter(
        owner=call.owner,
        batch_id=given.one("batchId", _uuid),
        order_ids=frozenset(ids),
        statuses=frozenset(given.many("status", _word(Status))),
        dex=given.one("dex", _word(Dex)),
    )
    after = given.one("after", lambda text: read_stream_cursor(epoch, text))
    given.check()
    return which, after


def after_query(call: Call) -> int:
    """The ``seq`` behind which an order's events are wanted."""
    given = Parameters(call)
    after = given.one("after", _whole(0, SEQ_MAX))
    given.check()
    return after or 0


def _uuid(text: str) -> UUID:
    try:
        value = UUID(text)
    except ValueError:
        value = None
    if value is None or str(value) != text.lower():
        raise ValueError("is not a UUID")
    return value


def _whole(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= 10):
            raise ValueError(f"must be a whole number from {least} to {most}")
        number = int(text)
        if not least <= number <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return number

    return read


def _word(words: type[Word]) -> Callable[[str], Word]:
    known: Iterable[str] = [word.value for word in words]

    def read(text: str) -> Word:
        try:
            return words(text.lower())
        except ValueError:
            raise ValueError(f"must be one of {', '.join(known)}") from None

    return read
