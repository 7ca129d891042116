"""Encodings of a request's body: UTF-8 is taken, any other is refused by its name."""

from __future__ import annotations

import gzip
import json
import zlib

import pytest

from tests.integration.apis import ORDER, RunningApi, open_api, receive_events

EXECUTE = "/api/orders/execute"
PATHS = [EXECUTE, "/api/orders/batch", "/api/quotes"]
MARK = b"\xef\xbb\xbf"
TEXT = json.dumps(dict(ORDER))
JSON_TYPE = "application/json"


async def post(
    api: RunningApi, path: str, body: bytes, **headers: str
) -> tuple[int, dict[str, str], str | None]:
    """The status, the problem or response, and what ``Accept-Encoding`` of it says."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with api.session.post(
        path, data=body, headers={"Content-Type": JSON_TYPE, **named}
    ) as response:
        content = await response.json(content_type=None)
        return response.status, content, response.headers.get("Accept-Encoding")


COMPRESSED = {
    "gzip": gzip.compress(TEXT.encode()),
    "x-gzip": gzip.compress(TEXT.encode()),
    "GZIP": gzip.compress(b" " * 50_000_000),
    "deflate": zlib.compress(TEXT.encode()),
    "br": b"\x0b\x02\x80{}\x03",
    "zstd": b"\x28\xb5\x2f\xfd",
    "gzip, identity": gzip.compress(TEXT.encode()),
    "gzip, gzip": gzip.compress(gzip.compress(TEXT.encode())),
    "identity, no-such-coding": TEXT.encode(),
}
"""Bodies by their content encoding; one of them grows to fifty megabytes."""


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("encoding", COMPRESSED)
async def test_a_compressed_body_is_refused_with_what_is_taken(
    database_url: str, redis_url: str, path: str, encoding: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        body = COMPRESSED[encoding]
        status, problem, accepted = await post(api, path, body, Content_Encoding=encoding)
        assert (status, problem["code"]) == (415, "unsupported_content_encoding")
        assert accepted == "identity"
        assert encoding in problem["detail"]


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (TEXT.encode(), {"Content_Encoding": "identity"}),
        (TEXT.encode(), {"Content_Encoding": "Identity, identity"}),
        (MARK + TEXT.encode(), {}),
        (MARK + TEXT.encode(), {"Content_Type": "application/x-www-form-urlencoded"}),
        (MARK + TEXT.encode(), {"Content_Type": "application/json; charset=utf-8"}),
        (TEXT.encode(), {"Content_Type": 'application/json; charset="UTF-8"'}),
        (TEXT.encode(), {"Content_Type": "application/json ;version=1; Charset = utf8"}),
        (TEXT.encode(), {"Content_Type": "application/json;"}),
    ],
)
async def test_what_is_utf_8_is_taken_with_and_without_its_mark(
    database_url: str, redis_url: str, body: bytes, headers: dict[str, str]
) -> None:
    async with open_api(database_url, redis_url) as api:
        status, content, _ = await post(api, EXECUTE, body, **headers)
        assert status == 202, content


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le"])
async def test_another_unicode_encoding_is_named(
    database_url: str, redis_url: str, path: str, encoding: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        status, problem, _ = await post(api, path, TEXT.encode(encoding))
        assert (status, problem["code"]) == (400, "malformed_json")
        assert f"it is {encoding[:6].upper()}" in problem["detail"]
        assert "not UTF-8" in problem["detail"]


async def test_what_is_in_no_unicode_encoding_is_told_by_its_first_byte(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        _, problem, _ = await post(api, EXECUTE, '{"tokenIn":"é"}'.encode("latin1"))
        assert problem["detail"] == "the body is not JSON: its byte 12 is not UTF-8"
        _, problem, _ = await post(api, EXECUTE, gzip.compress(TEXT.encode()))
        assert "gzip" in problem["detail"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("charset", ["utf-16", "iso-8859-1", '"windows-1252"', "us-ascii", ""])
async def test_another_charset_is_refused_by_its_name(
    database_url: str, redis_url: str, path: str, charset: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        kind = f"application/json; charset={charset}"
        status, problem, _ = await post(api, path, TEXT.encode(), Content_Type=kind)
        assert (status, problem["code"]) == (415, "unsupported_charset")
        assert repr(charset.strip('"')) in problem["detail"]


@pytest.mark.parametrize("is_binary", [False, True])
async def test_a_byte_order_mark_before_an_order_on_a_socket_is_skipped(
    database_url: str, redis_url: str, is_binary: bool
) -> None:
    async with open_api(database_url, redis_url) as api, api.session.ws_connect(EXECUTE) as socket:
        body = MARK + TEXT.encode()
        await (socket.send_bytes(body) if is_binary else socket.send_str(body.decode()))
        [queued] = await receive_events(socket, 1)
        assert queued["status"] == "queued"
