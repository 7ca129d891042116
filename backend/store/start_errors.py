"""Why PostgreSQL cannot be used, for the person who starts a process: one sentence, and what to do.

No sentence contains a password: it has the names of hosts, users and databases, and the server's
own message.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import asyncpg

from backend.domain.errors import EngineError, Rejected, Transient
from backend.runtime.startup import name_command
from backend.store.address import DatabaseAddress
from backend.store.errors import DATABASE_ERRORS, Reaction, classify

_CODE: Final = "database_unusable"

# The SQLSTATE or its class, what a pooler says instead, and the sentence. The first that fits.
_REFUSALS: Final = (
    (
        "28P01",
        "authentication failed",
        "{place} refuses the password of {user}: check both in DATABASE_URL",
    ),
    ("28", "", "{place} does not let {user} in: check the role, and pg_hba.conf there"),
    (
        "3D000",
        'database ".*" does not exist|no such database',
        "{place} has no such database: create it, or correct DATABASE_URL",
    ),
    (
        "42501",
        "",
        "{place} does not permit {user} what the engine needs: grant it, for a migration also"
        " CREATE on the schema",
    ),
    (
        "42P01",
        "",
        "{place} has not the engine's tables: run `{command} migrate`",
    ),
    (
        "42703",
        "",
        "{place} has the engine's tables as they were before: run `{command} migrate`",
    ),
    ("3F000", "", "{place} has no schema for the engine: create it, or correct search_path"),
    (
        "",
        "unsupported startup parameter",
        "the connection pooler in front of {place} refuses a parameter of DATABASE_URL: remove it,"
        " or add it to the pooler's ignore_startup_parameters",
    ),
    (
        "53300",
        "no more connections allowed",
        "{place} has no connection left: raise its limit, or run fewer processes",
    ),
    ("57P03", "", "{place} does not accept connections yet: wait until it has started"),
)


@contextmanager
def explain_start_errors(address: DatabaseAddress) -> Iterator[None]:
    """Raise every database error of the block as ``Rejected`` or ``Transient`` with a sentence."""
    try:
        yield
    except DATABASE_ERRORS as error:
        raise explain_start_error(error, address) from error


def explain_start_error(error: BaseException, address: DatabaseAddress) -> EngineError:
    """The error to report: ``Transient`` if it may pass without a change of the setup."""
    text = _explain(error, address)
    if classify(error) in {Reaction.SET_UP, Reaction.REPORT} or _is_tls_refused(error):
        return Rejected(_CODE, text)
    return Transient(_CODE, text)


def _is_tls_refused(error: BaseException) -> bool:
    """Whether the server and the address disagree about TLS, which no waiting changes."""
    return isinstance(error, ssl.SSLCertVerificationError) or "rejected SSL upgrade" in str(error)


def _explain(error: BaseException, address: DatabaseAddress) -> str:
    place = f"PostgreSQL at {address}"
    if isinstance(error, asyncpg.PostgresError):
        return _explain_refusal(error, address, place)
    if isinstance(error, asyncpg.TargetServerAttributeNotMatched):
        return f"{error}, and the engine has to write: give the address of the primary"
    if isinstance(error, TimeoutError):
        return f"{place} does not answer: check the address, the network and firewalls"
    if isinstance(error, OSError):
        return _explain_connection_error(error, place)
    return f"{place} cannot be used: {_first_line(error)}"


def _explain_connection_error(error: OSError, place: str) -> str:
    text = _first_line(error)
    if isinstance(error, socket.gaierror):
        return f"the host of {place} is not known: check its name in DATABASE_URL"
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"the certificate of {place} is not trusted ({error.verify_message}):"
            " name its authority in sslrootcert"
        )
    if "rejected SSL upgrade" in text:
        return f"{place} offers no TLS: turn it on there, or set sslmode=prefer in DATABASE_URL"
    if isinstance(error, ConnectionRefusedError | FileNotFoundError) or "Connect call" in text:
        return f"nothing listens for {place}: start it, or correct DATABASE_URL"
    return f"{place} cannot be reached: {text}"


def _explain_refusal(error: asyncpg.PostgresError, address: DatabaseAddress, place: str) -> str:
    text = _first_line(error)
    user = f'user "{address.user}"' if address.user else "this user"
    for code, pattern, sentence in _REFUSALS:
        is_code = bool(code) and str(error.sqlstate).startswith(code)
        if is_code or (pattern and re.search(pattern, text)):
            return f"{sentence.format(place=place, user=user, command=name_command())} ({text})"
    return f"{place} cannot be used: {text} (SQLSTATE {error.sqlstate})"


def _first_line(error: BaseException) -> str:
    lines = str(error.args[0] if len(error.args) == 1 else error).splitlines()
    return lines[0] if lines else type(error).__name__
