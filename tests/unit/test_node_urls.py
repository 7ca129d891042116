"""Addresses of several nodes: each is checked, and no message or name repeats what may be a key."""

from __future__ import annotations

import pytest

from backend.config import ConfigurationError, Settings
from backend.config.chain.node_urls import name_nodes, parse_node_urls

KEY = "s3cr3t"


def test_several_addresses_are_separated_by_commas() -> None:
    urls = parse_node_urls(f" https://a.example/?api-key={KEY}, http://b.example:8899 ,")
    assert urls == [f"https://a.example/?api-key={KEY}", "http://b.example:8899"]
    assert parse_node_urls("") == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"ftp://user:{KEY}@a.example", "must begin with http:// or https://"),
        (f"http://a.example,wss://b.example/{KEY}", "address 2 must begin with http://"),
        (f"http://a.example:0/{KEY}", "must begin with"),
        (f"http://a.example:99999/{KEY}", "must begin with"),
        (f"https:///{KEY}", "name a host"),
        (f"http://a.example/{KEY},http://a.example/{KEY}", "names the same address twice"),
        (",".join(f"http://a.example/{KEY}{n}" for n in range(9)), "at most 8"),
    ],
)
@pytest.mark.parametrize("setting", ["solana_rpc_url", "solana_send_urls"])
def test_a_wrong_address_is_refused_without_being_repeated(
    setting: str, text: str, reason: str
) -> None:
    with pytest.raises(ConfigurationError, match=setting.upper()) as refused:
        Settings.load(**{setting: text})
    assert reason in str(refused.value)
    assert KEY not in str(refused.value)


def test_nodes_are_named_by_host_and_port_alone() -> None:
    urls = [
        f"https://user:{KEY}@a.example/{KEY}?api-key={KEY}",
        f"https://a.example/{KEY}2",
        "http://b.example:8899",
        "http://[::1]:8899",
    ]
    assert name_nodes(urls) == ["a.example", "a.example#2", "b.example:8899", "::1:8899"]
