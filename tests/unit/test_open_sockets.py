"""Sockets whose key has ended are closed, also those that were being opened meanwhile."""

from __future__ import annotations

from backend.api.delivery.open_sockets import ACCESS_ENDED, OpenSockets, SocketCaller
from backend.domain.access.principals import Principal
from backend.domain.access.scopes import Scope

CALLER = SocketCaller(
    Principal("anna", frozenset({Scope.READ}), "oek_000000000000", is_limited=True),
    Scope.READ,
    "127.0.0.1",
)


async def test_a_socket_that_is_registered_after_its_key_has_ended_is_closed() -> None:
    sockets = OpenSockets(sockets_max=3)
    sockets.close_ended(lambda principal: principal, "before")
    sockets.close_ended(lambda _: None, "after")  # the key ends while a socket is being opened
    with sockets.register("/", CALLER) as close_request:
        sockets.close_ended(lambda _: None, "after")
        assert await close_request.wait() == ACCESS_ENDED


async def test_sockets_are_looked_at_when_something_may_have_changed() -> None:
    sockets, asked = OpenSockets(sockets_max=3), []

    def renew(principal: Principal) -> Principal:
        asked.append(principal)
        return principal

    with sockets.register("/", CALLER) as one, sockets.register("/", CALLER) as two:
        for revision, looks in (("one", 2), ("one", 2), ("two", 4), ("two", 4)):
            sockets.close_ended(renew, revision)
            assert len(asked) == looks
        assert [one.is_set, two.is_set] == [False, False]
