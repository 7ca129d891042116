"""Webhooks: signatures, messages, and the addresses that receivers may have."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from ipaddress import ip_address
from uuid import UUID

import pytest
from standardwebhooks.webhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError

from backend.api.webhooks.messages import (
    BODY_BYTES_MAX,
    build_message,
    build_test_message,
    format_secret,
    sign_message,
)
from backend.api.wire.public_address import parse_networks
from backend.api.wire.webhooks.receiver_addresses import AddressNotAllowedError, ReceiverPolicy
from backend.domain.lifecycle import Status
from backend.domain.orders import OrderEvent
from backend.domain.webhooks.webhook import SigningSecrets

NOW = datetime(2026, 11, 22, 4, 10, 15, 991182, UTC)
SECRETS = SigningSecrets(b"1" * 32, b"2" * 32)


def make_event(data: str) -> OrderEvent:
    order_id = UUID("01a20172-0000-7000-8000-000000000001")
    return OrderEvent(order_id, 2, Status.CONFIRMED, NOW, 1, data, 7, "anna", None, None)


def test_each_secret_verifies_and_no_other() -> None:
    now = datetime.now(UTC)  # noqa: TID251 - the verifier has the clock of this machine
    message = build_test_message("x", "webhook.test", now)
    headers = sign_message(message, SECRETS, now)
    for secret in (b"1" * 32, b"2" * 32):
        Verifier(format_secret(secret)).verify(message.body, headers)
    for secret, body in ((b"3" * 32, message.body), (b"1" * 32, f"{message.body} ")):
        with pytest.raises(WebhookVerificationError):
            Verifier(format_secret(secret)).verify(body, headers)


def test_the_signature_is_that_of_the_specification() -> None:
    """Computed without the library: HMAC-SHA256 over id, timestamp and body."""
    message = build_message(make_event('{"amountOut":"150"}'))
    headers = sign_message(message, SigningSecrets(b"1" * 32), NOW)
    text = f"{headers['Webhook-Id']}.{headers['Webhook-Timestamp']}.{message.body}".encode()
    expected = base64.b64encode(hmac.new(b"1" * 32, text, hashlib.sha256).digest()).decode()
    assert headers["Webhook-Signature"] == f"v1,{expected}"
    assert format_secret(b"1" * 32) == f"whsec_{base64.b64encode(b'1' * 32).decode()}"
    assert headers["Webhook-Id"] == "evt_01a20172000070008000000000000001_2"


def test_a_message_has_the_event_and_one_that_is_too_large_its_envelope() -> None:
    body = json.loads(build_message(make_event('{"amountOut":"150"}')).body)
    assert (body["type"], body["timestamp"]) == ("order.confirmed", body["data"]["at"])
    assert (body["data"]["seq"], body["data"]["amountOut"]) == (2, "150")
    large = build_message(make_event(json.dumps({"quotes": "x" * BODY_BYTES_MAX})))
    assert len(large.body) < 1_000
    assert json.loads(large.body)["data"]["truncated"] is True
    assert json.loads(large.body)["data"]["orderId"] == body["data"]["orderId"]


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0"),  # noqa: S104
        *("100.64.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1"),
        *("::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1", "2001:db8::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::10.0.0.1"),
        *("192.88.99.1", "fec0::1", "3fff::1"),
        *("2002:0a00:0001::1", "64:ff9b::7f00:1", "::ffff:0:127.0.0.1"),
    ],
)
def test_no_address_of_a_network_that_is_not_public_is_connected_to(address: str) -> None:
    policy = ReceiverPolicy()
    assert not policy.allows(ip_address(address))
    with pytest.raises(AddressNotAllowedError):
        policy.create_socket((None, None, 0, "", (address, 443)))
    host = f"[{address}]" if ":" in address else address
    assert policy.find_fault(f"https://{host}/")


def test_public_addresses_and_named_networks_are_allowed() -> None:
    policy = ReceiverPolicy(parse_networks("10.2.0.0/16,fd00::/8"))
    for address in ("1.1.1.1", "2606:4700::1111", "10.2.3.4", "::ffff:10.2.3.4", "fd00::7"):
        assert policy.allows(ip_address(address)), address
    for address in ("10.3.0.1", "127.0.0.1", "fe80::1"):
        assert not policy.allows(ip_address(address)), address


@pytest.mark.parametrize(
    "url",
    [
        *("", "hooks.example", "https://", "https:///x", "http://hooks.example/", "file:///etc"),
        *("https://a b/", "https://hooks.example/\n", "https://hooks.example:99999/"),
        *("https://u:p@hooks.example/", "https://u@hooks.example/", "https://hooks.example/#x"),
        *("https://@hooks.example/", "https://:@hooks.example/", "https://2130706433/"),
        *("https://127.1/", "https://0177.0.0.1/", "https://0x7f.1/", "https://0/"),
        *("https://localhost/", "https://api.localhost./", "https://metadata.internal/"),
        f"https://hooks.example/{'x' * 2_000}",
    ],
)
def test_what_is_no_address_of_a_receiver_is_refused_with_a_reason(url: str) -> None:
    assert ReceiverPolicy().find_fault(url)


def test_addresses_of_receivers_are_taken() -> None:
    for url in ("https://hooks.example", "https://hooks.example:8443/a?b=c", "https://1.1.1.1/"):
        assert ReceiverPolicy().find_fault(url) == ""
    for url in ("https://hooks.example/@me", "https://hooks.example/?to=a@b.example"):
        assert ReceiverPolicy().find_fault(url) == ""
    assert ReceiverPolicy(allows_http=True).find_fault("http://hooks.example/") == ""
