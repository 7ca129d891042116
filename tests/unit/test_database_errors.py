"""Every error that a call to PostgreSQL can raise has a decided reaction."""

from __future__ import annotations

import socket
import ssl

import asyncpg
import pytest
from asyncpg.exceptions import _base

from backend.domain.errors import Transient
from backend.store.errors import (
    DATABASE_ERRORS,
    REPEATS_MAX,
    SQLSTATE_REACTIONS,
    Reaction,
    classify,
    repeat_conflicts,
    translate_errors,
)

SUCCESS_CLASSES = {"00", "01", "02"}  # warnings
KNOWN_SQLSTATES: dict[str, type[Exception]] = {
    str(vars(kind)["sqlstate"]): kind
    for kind in vars(asyncpg.exceptions).values()
    if isinstance(kind, type) and vars(kind).get("sqlstate")
    if str(vars(kind)["sqlstate"])[:2] not in SUCCESS_CLASSES
}


def test_the_table_is_tested_with_every_class_of_the_client() -> None:
    assert len({code[:2] for code in KNOWN_SQLSTATES}) > 35


@pytest.mark.parametrize("code", sorted(KNOWN_SQLSTATES))
def test_every_sqlstate_that_the_client_knows_has_a_reaction(code: str) -> None:
    error = KNOWN_SQLSTATES[code]("message")
    assert isinstance(error, DATABASE_ERRORS)
    expected = SQLSTATE_REACTIONS.get(code) or SQLSTATE_REACTIONS[code[:2]]
    assert classify(error) is expected


@pytest.mark.parametrize(
    ("code", "reaction"),
    [
        ("25006", Reaction.FIND_PRIMARY),
        ("57P01", Reaction.RECONNECT),
        ("57P03", Reaction.RECONNECT),
        ("57P05", Reaction.RECONNECT),
        ("08P01", Reaction.RECONNECT),
        ("40001", Reaction.REPEAT),
        ("40P01", Reaction.REPEAT),
        ("55P03", Reaction.REPEAT),
        ("40003", Reaction.RECONNECT),
        ("42P05", Reaction.PREPARE_AGAIN),
        ("26000", Reaction.PREPARE_AGAIN),
        ("53100", Reaction.WAIT),
        ("53300", Reaction.WAIT),
        ("57014", Reaction.WAIT),
        ("28P01", Reaction.SET_UP),
        ("3D000", Reaction.SET_UP),
        ("42501", Reaction.SET_UP),
        ("42P01", Reaction.SET_UP),
        ("42601", Reaction.REPORT),
        ("23514", Reaction.REPORT),
        ("XX002", Reaction.REPORT),
    ],
)
def test_the_reaction_follows_from_the_code(code: str, reaction: Reaction) -> None:
    assert classify(build_error(code)) is reaction


@pytest.mark.parametrize(
    ("error", "reaction"),
    [
        (asyncpg.InterfaceError("connection is closed"), Reaction.RECONNECT),
        (asyncpg.InternalClientError("got result for unknown protocol state"), Reaction.RECONNECT),
        (_base.ProtocolError("unexpected message"), Reaction.RECONNECT),
        (asyncpg.OutdatedSchemaCacheError("changed"), Reaction.RECONNECT),
        (asyncpg.TargetServerAttributeNotMatched("read-only"), Reaction.FIND_PRIMARY),
        (asyncpg.InvalidCachedStatementError("plan"), Reaction.REPEAT),
        (asyncpg.ClientConfigurationError("x"), Reaction.SET_UP),
        (asyncpg.UnsupportedClientFeatureError("x"), Reaction.SET_UP),
        (asyncpg.UnsupportedServerFeatureError("x"), Reaction.SET_UP),
        (_base.DataError("argument $1"), Reaction.REPORT),
        (TimeoutError(), Reaction.WAIT),
        (ConnectionResetError(), Reaction.RECONNECT),
        (socket.gaierror(), Reaction.RECONNECT),
        (ssl.SSLError(), Reaction.RECONNECT),
    ],
)
def test_errors_of_the_client_have_a_reaction(error: Exception, reaction: Reaction) -> None:
    assert isinstance(error, DATABASE_ERRORS)
    assert classify(error) is reaction


@pytest.mark.parametrize(("severity", "reaction"), [("ERROR", "REPORT"), ("FATAL", "RECONNECT")])
def test_an_unknown_code_is_reported_and_ends_a_session_that_ends_with_it(
    severity: str, reaction: str
) -> None:
    error = build_error("ZZ999", severity=severity)
    assert isinstance(error, asyncpg.UnknownPostgresError)
    assert classify(error).name == reaction


@pytest.mark.parametrize("code", ["25006", "53100", "42501", "42601", "XX000", "ZZ999", "40001"])
async def test_a_client_gets_a_temporary_error_whatever_the_code(code: str) -> None:
    async def fail() -> None:
        raise build_error(code)

    with pytest.raises(Transient) as raised:
        await translate_errors(fail)
    assert raised.value.code == "database_unavailable"
    assert "secret" not in raised.value.reason


async def test_a_lost_conflict_is_repeated_at_once_but_not_for_ever() -> None:
    calls = 0

    async def fail() -> None:
        nonlocal calls
        calls += 1
        raise build_error("40P01")

    with pytest.raises(asyncpg.DeadlockDetectedError):
        await repeat_conflicts(fail)
    assert calls == REPEATS_MAX + 1


def build_error(code: str, severity: str = "ERROR") -> asyncpg.PostgresError:
    """The error that asyncpg makes of a server's message."""
    error = asyncpg.PostgresError.new({"C": code, "V": severity, "M": "secret detail"})
    assert isinstance(error, asyncpg.PostgresError)
    return error
