"""What proxies say of a client's connection: ``Forwarded`` (RFC 7239) and ``X-Forwarded-*``.

Each proxy appends to these headers, so the last entry is from the proxy that connected here. An
entry is believed if it was added by a trusted proxy: the chain is walked from its end for as long
as the addresses in it are trusted ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple

FORWARDED_HEADERS = frozenset(
    {
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-port",
        "x-forwarded-prefix",
        "x-forwarded-proto",
    }
)
RawHeaders = Iterable[tuple[bytes, bytes]]
TrustCheck = Callable[[str], bool]

_SCHEMES = {"http": "http", "ws": "http", "https": "https", "wss": "https"}
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_AUTHORITY = re.compile(r"([A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?")
_PREFIX = re.compile(r"(?:/(?!/)[A-Za-z0-9._~!$&'()*+,;=:@%-]*)+")
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - RFC 9110's word for a part of a header
_PAIR = re.compile(rf'\s*({_TOKEN})=("(?:[^"\\]|\\.)*"|[^\s",;]*)\s*([,;]|$)')
_PORT_OF_NODE = re.compile(r":[0-9_A-Za-z.-]+$")


class ForwardedView(NamedTuple):
    """A client's connection as the proxies saw it; what they do not say is empty."""

    address: str = ""
    scheme: str = ""
    """``http`` or ``https``."""
    authority: str = ""
    port: str = ""
    """The port that the client connected to, if it was told apart from the authority."""
    prefix: str = ""
    """The path that was cut off, without a slash at its end."""


def read_forwarded(raw_headers: RawHeaders, peer: str, is_trusted: TrustCheck) -> ForwardedView:
    """The connection of the client behind the trusted proxy ``peer``.

    If ``Forwarded`` and ``X-Forwarded-For`` name different clients, one of them is the client's own
    invention that a proxy let through: then the address is the proxy's.
    """
    values = _collect_values(raw_headers)
    standard = _read_standard(values["forwarded"], peer, is_trusted)
    customary = _read_customary(values, peer, is_trusted)
    addresses = {view.address for view in (standard, customary)} - {""}
    return ForwardedView(
        addresses.pop() if len(addresses) == 1 else peer,
        standard.scheme or customary.scheme,
        standard.authority or customary.authority,
        customary.port,
        customary.prefix,
    )


def parse_address(node: str) -> str:
    """The IP address of a node, which may have a port; empty if it names none."""
    text = node.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = _PORT_OF_NODE.sub("", text)
    try:
        address = ip_address(text)
    except ValueError:
        return ""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return str(address)


def parse_authority(text: str) -> str:
    """A host with an optional port, in lower case; empty if it is not one."""
    match = _AUTHORITY.fullmatch(text.strip())
    if match is None or not 0 < int(match[2] or 1) <= 65_535:
        return ""
    return match[0].lower()


def strip_default_port(authority: str, scheme: str) -> str:
    """The authority without the port that its scheme (``http``, ``https``) has anyway."""
    return authority.removesuffix(f":{_DEFAULT_PORTS[scheme]}")


def parse_prefix(text: str) -> str:
    """A path prefix such as ``/engine``; empty if it is none, or one that names another host."""
    prefix = text.strip().rstrip("/")
    return prefix if _PREFIX.fullmatch(prefix) else ""


def _collect_values(raw_headers: RawHeaders) -> Mapping[str, list[str]]:
    """The entries of the headers in order: a list in one line and repeated lines are the same."""
    values: dict[str, list[str]] = {name: [] for name in FORWARDED_HEADERS}
    for raw_name, raw_value in raw_headers:
        name = raw_name.decode("latin1").lower()
        if name == "forwarded":
            values[name].append(raw_value.decode("latin1"))
        elif name in FORWARDED_HEADERS:
            values[name] += [entry.strip() for entry in raw_value.decode("latin1").split(",")]
    return values


def _walk_chain(addresses: Sequence[str], peer: str, is_trusted: TrustCheck) -> tuple[str, int]:
    """The client's address and the number of entries from the end that are believed."""
    client, depth = peer, 1
    for entry in reversed(addresses):
        address = parse_address(entry)
        if not address:
            break
        client = address
        if not is_trusted(address):
            break
        depth += 1
    return client, depth


def _read_standard(lines: Sequence[str], peer: str, is_trusted: TrustCheck) -> ForwardedView:
    hops = _parse_hops(",".join(lines))
    if not hops:
        return ForwardedView()
    client, depth = _walk_chain([hop.get("for", "") for hop in hops], peer, is_trusted)
    believed = hops[-depth:]
    return ForwardedView(
        client,
        _find_first(_get_scheme, [hop.get("proto", "") for hop in believed]),
        _find_first(parse_authority, [hop.get("host", "") for hop in believed]),
    )


def _find_first(parse: Callable[[str], str], entries: Iterable[str]) -> str:
    """The first entry that can be parsed: what the proxy nearest to the client says."""
    return next(filter(None, map(parse, entries)), "")


def _get_scheme(text: str) -> str:
    return _SCHEMES.get(text.lower(), "")


def _parse_port(text: str) -> str:
    is_port = text.isascii() and text.isdecimal() and 0 < int(text[:6]) <= 65_535
    return text if is_port else ""


def _parse_hops(text: str) -> list[dict[str, str]]:
    """The parameters of each proxy in a ``Forwarded`` header; none if it is malformed."""
    hops: list[dict[str, str]] = [{}]
    at = 0
    while at < len(text):
        pair = _PAIR.match(text, at)
        if pair is None:
            return []
        name, value, separator = pair.groups()
        if value.startswith('"'):
            value = re.sub(r"\\(.)", r"\1", value[1:-1])
        hops[-1][name.lower()] = value
        if separator == ",":
            hops.append({})
        at = pair.end()
    return hops if hops[-1] else []


def _read_customary(
    values: Mapping[str, Sequence[str]], peer: str, is_trusted: TrustCheck
) -> ForwardedView:
    addresses = values["x-forwarded-for"]
    client, depth = _walk_chain(addresses, peer, is_trusted)

    def select(name: str) -> Sequence[str]:
        """The believed entries of a header; without addresses all that there are."""
        return values[name][-depth:] if addresses else values[name]

    return ForwardedView(
        client if addresses else "",
        _find_first(_get_scheme, select("x-forwarded-proto")),
        _find_first(parse_authority, select("x-forwarded-host")),
        _find_first(_parse_port, select("x-forwarded-port")),
        "".join(map(parse_prefix, select("x-forwarded-prefix"))),
    )
