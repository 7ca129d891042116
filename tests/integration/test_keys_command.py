"""``order-engine keys`` as a process: what it prints, and what it refuses."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import asyncpg
import pytest

from backend.domain.access.signatures import SigningMethod
from tests.e2e.up import START_TIMEOUT_S, build_command, build_environment
from tests.integration.apis import open_api
from tests.integration.stored_keys import open_keys, send, show_key, wait_for_status


async def run_keys(database_url: str, *arguments: str) -> tuple[int | None, str, str]:
    """The exit status of ``order-engine keys``, and what it writes."""
    process = await asyncio.create_subprocess_exec(
        *build_command("keys", *arguments),
        env=build_environment(DATABASE_URL=database_url),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(START_TIMEOUT_S):
        output, errors = await process.communicate()
    return process.returncode, output.decode(), errors.decode()


async def make(database_url: str, *arguments: str) -> str:
    """A key that the command makes: it is all that standard output has."""
    status, output, _ = await run_keys(database_url, *arguments)
    assert (status, bool(re.fullmatch(r"oek_[0-9a-f]{12}_[0-9a-f]{48}\n", output))) == (0, True)
    return output.strip()


async def test_a_key_is_made_listed_changed_rotated_and_revoked(
    database_url: str, redis_url: str
) -> None:
    arguments = ("--owner", "anna", "--scopes", "read,trade", "--expires-in", "30d")
    key = await make(database_url, "create", *arguments, "--allow", "127.0.0.0/8")
    key_id = key.rpartition("_")[0]
    async with open_api(database_url, redis_url) as api:
        assert (await send(api, headers=show_key(key)))[0] == 200
        _, listed, _ = await run_keys(database_url, "list")
        [header, row] = listed.splitlines()
        assert header.split() == ["id", "owner", "scopes", "state", "last", "used", "from"]
        assert row.split()[:5] == [key_id, "anna", "read,trade", "valid", "until"]
        assert row.endswith("127.0.0.0/8")
        assert key not in listed
        _, changed, _ = await run_keys(
            database_url, "change", key_id, "--scopes", "trade", "--allow-any"
        )
        assert changed.startswith(f"{key_id} of anna: trade; from any address; expires 20")
        await wait_for_status(api, show_key(key), 403)
        successor = await make(database_url, "rotate", key_id, "--overlap", "0s")
        await wait_for_status(api, show_key(key), 401)
        assert (await send(api, headers=show_key(successor)))[0] == 403
        status, revoked, _ = await run_keys(database_url, "revoke", successor.rpartition("_")[0])
        assert (status, revoked.endswith("of anna is revoked\n")) == (0, True)
        await wait_for_status(api, show_key(successor), 401)
        _, listed, _ = await run_keys(database_url, "list")
        [_, old, new] = listed.splitlines()
        assert re.search(r"expired \S+, replaced by oek_", old)
        assert " revoked 20" in new
    connection = await asyncpg.connect(database_url)
    try:
        entries = await connection.fetch("SELECT who, action, data FROM audit_log ORDER BY id")
    finally:
        await connection.close()
    actions = [entry["action"] for entry in entries]
    assert actions == ["key_created", "key_changed", "key_rotated", "key_revoked"]
    assert all(entry["who"].endswith(" on this machine") for entry in entries)
    assert json.loads(entries[2]["data"])["replaced"] == key_id
    assert not any(key in entry["data"] or successor in entry["data"] for entry in entries)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("create", "--owner", " "), "is empty"),
        (("create", "--owner", "an\nna"), "cannot be printed"),
        (("create", "--owner", "anna", "--scopes", "read,write"), "'write' is no scope"),
        (("create", "--owner", "anna", "--scopes", ""), "is no scope"),
        (("create", "--owner", "anna", "--expires-in", "soon"), "such as 90d"),
        (("create", "--owner", "anna", "--expires-in", "9999d"), "ten years at most"),
        (("create", "--owner", "anna", "--allow", "10.0.0.1/8"), "host bits"),
        (("create",), "Missing option '--owner'"),
        (("revoke", "oek_000000000000"), "no key with this id"),
        (("rotate", "oek_000000000000"), "no key with this id"),
        (("change", "oek_000000000000", "--scopes", "read"), "no key with this id"),
        (("change", "oek_000000000000", "--allow", "::1", "--allow-any"), "contradict"),
        (("revoke", "a-secret-key-0123456789"), "is no id of a key"),
        (("create", "--owner", "anna", "--public-key", "00"), "no Ed25519 public key"),
        (("create", "--owner", "anna", "--signing", "--public-key", "00" * 32), "contradict"),
    ],
    ids=" ".join,
)
async def test_what_is_wrong_is_said_and_changes_nothing(
    database_url: str, arguments: tuple[str, ...], reason: str
) -> None:
    status, output, errors = await run_keys(database_url, *arguments)
    assert status in {1, 2}
    assert output == ""
    assert reason in errors
    assert "Traceback" not in errors
    assert "a-secret-key" not in errors


async def test_a_key_that_signs_by_a_private_key_has_no_secret_to_print(database_url: str) -> None:
    status, output, errors = await run_keys(
        database_url, "create", "--owner", "anna", "--public-key", "07" * 32
    )
    assert (status, bool(re.fullmatch(r"oek_[0-9a-f]{12}\n", output))) == (0, True)
    assert errors.endswith("signs by ed25519\n")
    key = await make(database_url, "create", "--owner", "anna", "--signing")
    async with open_keys(database_url) as keys:
        [_, row] = await keys.list_keys()
    assert (row.id, row.signing) == (key.rpartition("_")[0], SigningMethod.HMAC)


async def test_without_a_database_the_reason_is_a_sentence() -> None:
    for url, reason in (("", "DATABASE_URL is not set"), ("postgresql://127.0.0.1:9/x", "9")):
        status, _, errors = await run_keys(url, "list")
        assert status == 1
        assert reason in errors
        assert "Traceback" not in errors


async def test_a_data_folder_where_no_engine_runs_is_named(tmp_path: Path) -> None:
    chosen, other = str(tmp_path / "chosen"), str(tmp_path / "other")
    for arguments in (("list", "--data-dir", chosen), ("--data-dir", chosen, "list")):
        process = await asyncio.create_subprocess_exec(
            *build_command("keys", *arguments),
            env=build_environment(ORDER_ENGINE_DATA_DIR=other),
            stderr=asyncio.subprocess.PIPE,
        )
        _, errors = await process.communicate()
        assert process.returncode == 1
        assert f"no `order-engine up` runs over {chosen}: --data-dir" in errors.decode()
