"""Forwarded headers: what is believed of them, from whom, and what is not an address."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.api.server.exposure import build_public_address
from backend.api.wire.http import Request, parse_headers
from backend.config import ConfigurationError, Settings
from backend.domain.access.principals import NOBODY

PROXY, OUTER_PROXY, CLIENT, LIAR = "10.0.0.1", "10.0.0.2", "203.0.113.7", "198.51.100.66"
Lines = tuple[tuple[str, str], ...]


def locate(
    *lines: tuple[str, str], peer: str = PROXY, trusted: str = "10.0.0.0/24", public_url: str = ""
) -> tuple[str, str, str]:
    """The socket URL of ``/s``, the path of ``/p`` and the client's address of a request."""
    settings = Settings.load(trusted_proxies=trusted, public_url=public_url or None)
    address = build_public_address(settings)
    raw = [(name.encode(), value.encode("latin1")) for name, value in lines]
    request = Request(NOBODY, "/", parse_headers(raw), {}, "http", peer=peer, raw_headers=raw)
    return (
        address.find_base(request).socket + "/s",
        address.find_base(request).path + "/p",
        address.find_client_address(request),
    )


HOST = ("host", "inner:3000")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((HOST,), ("ws://inner:3000/s", "/p", PROXY)),
        ((("host", "Orders.Example"),), ("ws://orders.example/s", "/p", PROXY)),
        ((("host", "[2001:db8::1]:3000"),), ("ws://[2001:db8::1]:3000/s", "/p", PROXY)),
        ((), ("/s", "/p", PROXY)),
        ((HOST, ("x-forwarded-proto", "https")), ("wss://inner:3000/s", "/p", PROXY)),
        ((HOST, ("x-forwarded-proto", "HTTPS, http")), ("wss://inner:3000/s", "/p", PROXY)),
        ((HOST, ("x-forwarded-proto", "gopher")), ("ws://inner:3000/s", "/p", PROXY)),
        ((HOST, ("x-forwarded-host", "a.example")), ("ws://a.example/s", "/p", PROXY)),
        (
            (("host", "a.example"), ("x-forwarded-port", "8443"), ("x-forwarded-proto", "https")),
            ("wss://a.example:8443/s", "/p", PROXY),
        ),
        (
            (("host", "a.example"), ("x-forwarded-port", "443"), ("x-forwarded-proto", "https")),
            ("wss://a.example/s", "/p", PROXY),
        ),
        (
            (("x-forwarded-host", "[2001:db8::1]"), ("x-forwarded-port", "8080")),
            ("ws://[2001:db8::1]:8080/s", "/p", PROXY),
        ),
        (
            (("x-forwarded-host", "a.example:8443"), ("x-forwarded-port", "443")),
            ("ws://a.example:8443/s", "/p", PROXY),
        ),
        ((("host", "a"), ("x-forwarded-port", "0")), ("ws://a/s", "/p", PROXY)),
        ((("host", "a"), ("x-forwarded-port", "port")), ("ws://a/s", "/p", PROXY)),
        (
            (HOST, ("x-forwarded-prefix", "/engine/")),
            ("ws://inner:3000/engine/s", "/engine/p", PROXY),
        ),
        ((HOST, ("x-forwarded-prefix", "/a, /b")), ("ws://inner:3000/a/b/s", "/a/b/p", PROXY)),
        ((HOST, ("x-forwarded-prefix", "//evil.example")), ("ws://inner:3000/s", "/p", PROXY)),
        ((HOST, ("x-forwarded-prefix", "https://evil")), ("ws://inner:3000/s", "/p", PROXY)),
        ((HOST, ("x-forwarded-host", "evil/x")), ("ws://inner:3000/s", "/p", PROXY)),
        (
            (("forwarded", 'for="203.0.113.7:99";proto=https;host="a.example:8443"'),),
            ("wss://a.example:8443/s", "/p", CLIENT),
        ),
        (
            (
                HOST,
                ("Forwarded", "FOR=203.0.113.7; Proto=https ; by=10.0.0.1"),
            ),
            ("wss://inner:3000/s", "/p", CLIENT),
        ),
        ((HOST, ("forwarded", 'for=_hidden;proto="https"')), ("wss://inner:3000/s", "/p", PROXY)),
        ((HOST, ("forwarded", 'for="unclosed')), ("ws://inner:3000/s", "/p", PROXY)),
    ],
)
def test_a_trusted_proxy_says_what_the_client_used(
    lines: Lines, expected: tuple[str, str, str]
) -> None:
    assert locate(*lines) == expected
    if any(name != "host" for name, _ in lines):
        assert locate(*lines, peer=LIAR)[2] == LIAR


@pytest.mark.parametrize(
    ("lines", "client"),
    [
        ((("x-forwarded-for", CLIENT),), CLIENT),
        ((("x-forwarded-for", f"{LIAR}, {CLIENT}"),), CLIENT),
        ((("x-forwarded-for", f"{LIAR}, {CLIENT}, {OUTER_PROXY}"),), CLIENT),
        ((("x-forwarded-for", LIAR), ("x-forwarded-for", CLIENT)), CLIENT),
        ((("x-forwarded-for", OUTER_PROXY),), OUTER_PROXY),
        ((("x-forwarded-for", "unknown"),), PROXY),
        ((("x-forwarded-for", f"{LIAR}, unknown, {OUTER_PROXY}"),), OUTER_PROXY),
        ((("x-forwarded-for", f"{CLIENT}:51234"),), CLIENT),
        ((("x-forwarded-for", "[2001:DB8::7]:51234"),), "2001:db8::7"),
        ((("x-forwarded-for", "2001:db8::7"),), "2001:db8::7"),
        ((("x-forwarded-for", f"::ffff:{CLIENT}"),), CLIENT),
        ((("forwarded", f"for={LIAR}, for={CLIENT}"),), CLIENT),
        ((("forwarded", f"for={LIAR}, for={CLIENT}, for={OUTER_PROXY}"),), CLIENT),
        ((("forwarded", f"for={LIAR}"), ("forwarded", f"for={CLIENT}")), CLIENT),
        ((("forwarded", 'for="[2001:db8::7]:4711"'),), "2001:db8::7"),
        # One of the two was made up by the client: neither is believed.
        ((("forwarded", f"for={LIAR}"), ("x-forwarded-for", CLIENT)), PROXY),
        ((("forwarded", f"for={CLIENT}"), ("x-forwarded-for", CLIENT)), CLIENT),
    ],
)
def test_the_client_is_the_last_address_that_no_trusted_proxy_has(
    lines: Lines, client: str
) -> None:
    assert locate(*lines)[2] == client
    assert locate(*lines, peer=LIAR)[2] == LIAR


def test_what_a_client_writes_before_the_entries_of_the_proxies_is_not_believed() -> None:
    forged = f"for={LIAR};host=evil.example;proto=http"
    chain = f"{forged}, for={CLIENT};host=a.example;proto=https, for={OUTER_PROXY};host=inner"
    assert locate(("forwarded", chain)) == ("wss://a.example/s", "/p", CLIENT)
    lines = (
        ("x-forwarded-for", f"{LIAR}, {CLIENT}, {OUTER_PROXY}"),
        ("x-forwarded-host", "evil.example, a.example, inner"),
        ("x-forwarded-proto", "http, https, http"),
    )
    assert locate(*lines) == ("wss://a.example/s", "/p", CLIENT)


@pytest.mark.parametrize(
    ("peer", "trusted", "is_trusted"),
    [
        ("127.0.0.1", "127.0.0.0/8,::1", True),
        ("::1", "127.0.0.0/8,::1", True),
        ("::ffff:127.0.0.1", "127.0.0.0/8", True),
        ("10.1.2.3", " 10.1.2.3 , 10.9.0.0/16 ", True),
        ("2001:db8::5", "2001:db8::/32", True),
        ("10.1.2.4", "10.1.2.3", False),
        ("127.0.0.1", "", False),
        ("", "0.0.0.0/0,::/0", False),
    ],
)
def test_a_proxy_is_trusted_by_its_address_or_network(
    peer: str, trusted: str, is_trusted: bool
) -> None:
    lines = (HOST, ("x-forwarded-proto", "https"))
    socket_url = locate(*lines, peer=peer, trusted=trusted)[0]
    assert socket_url.startswith("wss:") == is_trusted


@pytest.mark.parametrize(
    ("public_url", "expected"),
    [
        ("https://a.example", ("wss://a.example/s", "/p")),
        ("https://A.example:443/", ("wss://a.example/s", "/p")),
        ("http://a.example:8080/engine/", ("ws://a.example:8080/engine/s", "/engine/p")),
        ("http://[::1]:8080/a/b", ("ws://[::1]:8080/a/b/s", "/a/b/p")),
    ],
)
def test_the_public_url_decides_whatever_is_forwarded(
    public_url: str, expected: tuple[str, str]
) -> None:
    lines = (HOST, ("x-forwarded-host", "b.example"), ("x-forwarded-prefix", "/other"))
    assert locate(*lines, public_url=public_url)[:2] == expected


@pytest.mark.parametrize(
    "settings",
    [
        *({"public_url": url} for url in ("orders.example", "ws://a", "https://", "https://a:x")),
        *({"public_url": url} for url in ("https://a/?q=1", "https://a/#f", "http://a//b")),
        {"public_url": "https://user:secret@a.example"},
        {"public_url": "https://[::1"},
        *({"trusted_proxies": text} for text in ("nginx", "10.0.0.1/8", "10.0.0.0/40", "*")),
    ],
)
def test_an_invalid_setting_is_named_and_not_repeated(settings: dict[str, str]) -> None:
    [name] = settings
    with pytest.raises(ConfigurationError) as error:
        build_public_address(Settings.load(**settings))
    assert f"ORDER_ENGINE_{name.upper()}" in str(error.value)
    assert "secret" not in str(error.value)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["host", "forwarded", "x-forwarded-for", "x-forwarded-host"])
            | st.sampled_from(["x-forwarded-port", "x-forwarded-prefix", "x-forwarded-proto"]),
            st.text(st.characters(max_codepoint=255), max_size=60),
        ),
        max_size=6,
    )
)
def test_no_header_makes_anything_but_an_address_of_this_server(
    lines: list[tuple[str, str]],
) -> None:
    socket_url, path, client = locate(*lines)
    assert not path.startswith("//")
    assert path.endswith("/p")
    assert not set(socket_url + path + client) & set(' \r\n\t"<>\\?#')
