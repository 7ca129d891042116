"""Refuses what a path does not take in its query, instead of ignoring what it asks for."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from backend.api.documents.parameters import list_query_names, list_repeatable_names
from backend.api.route import Route, SocketRoute
from backend.api.wire.fields import NAME_LENGTH_MAX
from backend.api.wire.http import IS_REPEATED
from backend.api.wire.problems import FieldError, invalid_fields
from backend.domain.spelling import suggest_name

_OTHER_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "status": ("state", "statuses", "orderstatus"),
    "batchId": ("batch", "batches"),
    "parentId": ("parent", "parentorderid", "children"),
    "ocoGroup": ("oco", "group", "groupid", "ocogroupid"),
    "clientOrderId": ("clientid", "cloid", "clordid", "externalid", "reference"),
    "dex": ("venue", "exchange", "market"),
    "tokenIn": ("inputmint", "inputtoken", "sell", "fromtoken", "base"),
    "tokenOut": ("outputmint", "outputtoken", "buy", "totoken", "quote"),
    "type": ("ordertype", "kind"),
    "from": ("start", "starttime", "startdate", "createdafter", "createdfrom", "begin"),
    "to": ("end", "endtime", "enddate", "createdbefore", "createdto", "until"),
    "updatedSince": ("since", "updatedafter", "modifiedsince", "changedsince", "updatedfrom"),
    "order": ("sort", "sortby", "orderby", "direction", "sortorder", "dir"),
    "limit": ("pagesize", "perpage", "size", "count", "max", "first", "maxresults"),
    "cursor": ("after", "before", "page", "offset", "next", "pagetoken", "startingafter"),
    "after": ("cursor", "since", "seq", "from", "lasteventid", "resume"),
    "orderId": ("id", "order", "orders", "orderids"),
    "all": ("everything", "any", "confirm", "force"),
    "ticket": ("token", "key", "apikey", "auth", "authorization"),
}
"""What clients of other APIs write for a parameter, in lower case and without separators."""


def check_parameters(route: Route | SocketRoute, query: Mapping[str, Collection[str]]) -> None:
    """Raise ``Problem`` (400) with each parameter that the route does not take, or not twice."""
    if not query:
        return
    known = list_query_names(route.doc)
    many = list_repeatable_names(route.doc)
    errors = [_describe(name, known) for name in query if name not in known]
    errors += [
        FieldError(name, "invalid_parameter", IS_REPEATED)
        for name, values in query.items()
        if len(values) > 1 and name in known and name not in many
    ]
    if errors:
        raise invalid_fields(errors, 400)


def _describe(name: str, known: Collection[str]) -> FieldError:
    shown = name if len(name) <= NAME_LENGTH_MAX else f"{name[:NAME_LENGTH_MAX]}…"
    meant = _find_meant(name, known)
    reason = "is no parameter of this path"
    if meant is not None:
        reason += f"; probably {meant} was meant"
    reason += f"; it takes {', '.join(known)}" if known else "; it takes none"
    return FieldError(shown, "unknown_parameter", reason)


def _find_meant(name: str, known: Collection[str]) -> str | None:
    """The known parameter that a name probably means."""
    plain = "".join(
        character for character in name[:NAME_LENGTH_MAX].lower() if character.isalnum()
    )
    for each in known:
        if plain in _OTHER_NAMES.get(each, ()):
            return each
    return suggest_name(name, known)
