"""The reaction to every error that a call to PostgreSQL can raise, decided in one table.

A SQLSTATE has a class, its first two characters, and a condition, the other three (appendix A of
PostgreSQL's manual). The table decides by the whole code where it has a line for it, else by the
class. A code that it does not know is reported. Errors of the client library are decided by their
type.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from enum import Enum, auto
from typing import Final, TypeVar

import asyncpg

from backend.domain.errors import Transient
from backend.runtime import observe_database

REPEATS_MAX: Final = 5
"""How often a statement that lost a conflict runs again at once; then it counts as a failure."""

Result = TypeVar("Result")


class Reaction(Enum):
    """What to do after an error. Only ``REPORT`` expects the same statement to fail again."""

    REPEAT = auto()
    """It lost a conflict and had no effect: run it again at once."""
    PREPARE_AGAIN = auto()
    """The session does not have our prepared statement, or has another of its name, as behind a
    pooler: drop the connection, prepare nothing any more, and run it again at once."""
    RECONNECT = auto()
    """The session is gone or not to be trusted: drop the connection. It may have had an effect."""
    FIND_PRIMARY = auto()
    """The server cannot write, now or in this session: drop every connection, and look for a server
    that can."""
    WAIT = auto()
    """The server lacks something (disk, memory, connections, time): try again later."""
    SET_UP = auto()
    """Somebody has to change the server's or the engine's setup: try again later, and say so."""
    REPORT = auto()
    """A fault of the statement or its data, or an unknown error: report it with its traceback."""

    @property
    def drops_connection(self) -> bool:
        """Whether the connection must not be used again."""
        return self in _DROPPING

    @property
    def repeats_at_once(self) -> bool:
        """Whether the statement had no effect and runs again without a wait."""
        return self in {Reaction.REPEAT, Reaction.PREPARE_AGAIN}


_DROPPING: Final = {Reaction.PREPARE_AGAIN, Reaction.RECONNECT, Reaction.FIND_PRIMARY}

SQLSTATE_REACTIONS: Final[dict[str, Reaction]] = {
    "03": Reaction.REPORT,  # SQL statement not yet complete
    "08": Reaction.RECONNECT,  # connection exception; every error of PgBouncer itself
    "09": Reaction.REPORT,  # triggered action exception
    "0A": Reaction.REPORT,  # feature not supported
    "0B": Reaction.REPORT,  # invalid transaction initiation
    "0F": Reaction.REPORT,  # locator exception
    "0L": Reaction.SET_UP,  # invalid grantor
    "0P": Reaction.SET_UP,  # invalid role specification
    "0Z": Reaction.REPORT,  # diagnostics exception
    "10": Reaction.REPORT,  # XQuery error
    "20": Reaction.REPORT,  # case not found
    "21": Reaction.REPORT,  # cardinality violation
    "22": Reaction.REPORT,  # data exception
    "23": Reaction.REPORT,  # integrity constraint violation
    "24": Reaction.REPORT,  # invalid cursor state
    "25": Reaction.RECONNECT,  # invalid transaction state: not the one that we left it in
    "25006": Reaction.FIND_PRIMARY,  # read-only transaction, as on a standby
    "26": Reaction.PREPARE_AGAIN,  # invalid SQL statement name
    "27": Reaction.REPORT,  # triggered data change violation
    "28": Reaction.SET_UP,  # invalid authorization, wrong password
    "2B": Reaction.REPORT,  # dependent privilege descriptors still exist
    "2D": Reaction.RECONNECT,  # invalid transaction termination
    "2F": Reaction.REPORT,  # SQL routine exception
    "34": Reaction.RECONNECT,  # invalid cursor name: the portal is in another session
    "38": Reaction.REPORT,  # external routine exception
    "39": Reaction.REPORT,  # external routine invocation exception
    "3B": Reaction.RECONNECT,  # savepoint exception
    "3D": Reaction.SET_UP,  # the database does not exist
    "3F": Reaction.SET_UP,  # the schema does not exist
    "40": Reaction.REPEAT,  # transaction rollback: serialization failure, deadlock
    "40003": Reaction.RECONNECT,  # statement completion unknown
    "42": Reaction.REPORT,  # syntax error or access rule violation
    "42501": Reaction.SET_UP,  # insufficient privilege
    "42703": Reaction.SET_UP,  # undefined column: the schema is of another version
    "42704": Reaction.SET_UP,  # undefined type, or another object
    "42883": Reaction.SET_UP,  # undefined function
    "42P01": Reaction.SET_UP,  # undefined table
    "42P05": Reaction.PREPARE_AGAIN,  # duplicate prepared statement
    "44": Reaction.REPORT,  # WITH CHECK OPTION violation
    "53": Reaction.WAIT,  # insufficient resources: a full disk, no memory, too many connections
    "54": Reaction.REPORT,  # program limit exceeded
    "54000": Reaction.WAIT,  # also: the server stops writes to prevent wraparound
    "55": Reaction.RECONNECT,  # object not in prerequisite state, as during recovery
    "55006": Reaction.WAIT,  # object in use
    "55P02": Reaction.SET_UP,  # cannot change a parameter at run time
    "55P03": Reaction.REPEAT,  # lock not available within lock_timeout
    "57": Reaction.RECONNECT,  # operator intervention: shutdown, crash, still starting
    "57014": Reaction.WAIT,  # canceled, by statement_timeout or an operator
    "58": Reaction.WAIT,  # system error: a file that cannot be read or written
    "72": Reaction.REPEAT,  # snapshot too old
    "F0": Reaction.SET_UP,  # configuration file error
    "HV": Reaction.REPORT,  # foreign data wrapper error
    "P0": Reaction.REPORT,  # PL/pgSQL error, as of our own triggers
    "XX": Reaction.REPORT,  # corrupted data
    "XX000": Reaction.RECONNECT,  # internal error; every error of some poolers
}
"""The reaction to a SQLSTATE, or to a class of them. Classes 00 to 02 are no errors."""

_CLIENT_REACTIONS: Final[tuple[tuple[type[BaseException], Reaction], ...]] = (
    # From the special to the general: the first that fits decides.
    (asyncpg.InvalidCachedStatementError, Reaction.REPEAT),  # a migration ran meanwhile
    (asyncpg.TargetServerAttributeNotMatched, Reaction.FIND_PRIMARY),
    (asyncpg.InternalClientError, Reaction.RECONNECT),  # also when a connection closes in a call
    (asyncpg.exceptions._base.DataError, Reaction.REPORT),  # an argument of another type
    (asyncpg.ClientConfigurationError, Reaction.SET_UP),
    (asyncpg.UnsupportedClientFeatureError, Reaction.SET_UP),
    (asyncpg.UnsupportedServerFeatureError, Reaction.SET_UP),
    (asyncpg.InterfaceError, Reaction.RECONNECT),  # the connection or the pool is closed
    (TimeoutError, Reaction.WAIT),  # the client cancels the statement by itself
    (OSError, Reaction.RECONNECT),
)

DATABASE_ERRORS: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)
"""Everything that a call to PostgreSQL can raise; ``classify`` decides about each."""

_NO_ANSWER: Final = "the database does not answer; try again shortly"
_REASONS: Final = {
    Reaction.FIND_PRIMARY: "the database accepts no writes now: it is read-only or in recovery",
    Reaction.WAIT: "the database lacks a resource; try again shortly",
    Reaction.SET_UP: "the database is not set up for this engine; the log of this server says why",
    Reaction.REPORT: "the database failed in an unexpected way; the log of this server says why",
}


def classify(error: BaseException) -> Reaction:
    """The reaction to an error of a call to PostgreSQL."""
    for kind, reaction in _CLIENT_REACTIONS:
        if isinstance(error, kind):
            return reaction
    code = str(getattr(error, "sqlstate", None) or "")
    known = SQLSTATE_REACTIONS.get(code) or SQLSTATE_REACTIONS.get(code[:2])
    if known is not None:
        return known
    is_fatal = getattr(error, "severity_en", None) in {"FATAL", "PANIC"}
    return Reaction.RECONNECT if is_fatal else Reaction.REPORT


async def repeat_conflicts(call: Callable[[], Awaitable[Result]]) -> Result:
    """The result of a call, which runs again at once while it loses conflicts.

    Raises ``DATABASE_ERRORS``, also after the last of ``REPEATS_MAX`` repeats.
    """
    for _ in range(REPEATS_MAX):
        try:
            return await call()
        except DATABASE_ERRORS as error:
            if not classify(error).repeats_at_once:
                raise
        await asyncio.sleep(0)
    return await call()


async def translate_errors(call: Callable[[], Awaitable[Result]]) -> Result:
    """The result of a call for a client, which runs again as in ``repeat_conflicts``.

    Raises ``Transient`` (``database_unavailable``) for every error of PostgreSQL.
    """
    try:
        return await repeat_conflicts(call)
    except DATABASE_ERRORS as error:
        raise report_unavailable(error) from error


def report_unavailable(error: BaseException) -> Transient:
    """Log an error of PostgreSQL; returns the one for the client whose request failed by it."""
    reaction = classify(error)
    if reaction in {Reaction.SET_UP, Reaction.REPORT}:
        observe_database.statement_failed(error, reaction.name.lower())
    else:
        observe_database.unavailable(error)
    if isinstance(error, OSError) or reaction not in _REASONS:  # TimeoutError is an OSError
        return Transient("database_unavailable", _NO_ANSWER)
    return Transient("database_unavailable", _REASONS[reaction])
