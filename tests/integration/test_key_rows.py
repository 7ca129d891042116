"""API keys as rows: what is stored of them, when they were last used, and how many there may be."""

from __future__ import annotations

import asyncpg
import pytest

from backend.domain.access.scopes import Scope
from backend.domain.errors import Rejected
from backend.store.access import key_store
from tests.integration.apis import open_api, wait_until
from tests.integration.stored_keys import make_key, open_keys, send, show_key


async def test_the_last_use_is_written_once_a_minute_at_most(
    database_url: str, redis_url: str
) -> None:
    anna = await make_key(database_url)
    async with open_api(database_url, redis_url) as api, open_keys(database_url) as keys:

        async def find_last_use() -> object:
            return (await keys.list_keys())[0].last_used_at

        assert await find_last_use() is None
        await send(api, headers=show_key(anna))

        async def is_written() -> bool:
            return await find_last_use() is not None

        await wait_until(is_written)
        written_at = await find_last_use()
        await keys.mark_used([anna.row.id])
        assert await find_last_use() == written_at
        connection = await asyncpg.connect(database_url)
        await connection.execute("UPDATE api_keys SET last_used_at = now() - interval '61 s'")
        version = await connection.fetchval("SELECT version FROM api_keys_version")
        await keys.mark_used([anna.row.id])
        assert await connection.fetchval("SELECT version FROM api_keys_version") == version
        await connection.close()
        assert await find_last_use() > written_at  # type: ignore[operator]


async def test_there_is_a_bound_on_valid_keys(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_store, "KEYS_MAX", 2)
    async with open_keys(database_url) as keys:
        first = await keys.create("anna", {Scope.READ})
        await keys.create("anna", {Scope.READ})
        with pytest.raises(Rejected, match="2 keys are valid"):
            await keys.create("anna", {Scope.READ})
        await keys.revoke(first.row.id)
        await keys.create("anna", {Scope.READ})


async def test_a_key_is_stored_as_a_hash_and_never_shown_again(database_url: str) -> None:
    created = await make_key(database_url)
    secret = created.key.rpartition("_")[2]
    assert len(bytes.fromhex(secret)) * 8 >= 128
    connection = await asyncpg.connect(database_url)
    [row] = await connection.fetch("SELECT api_keys::text AS everything FROM api_keys")
    await connection.close()
    assert created.row.id in row["everything"]
    assert secret not in row["everything"]
    async with open_keys(database_url) as keys:
        assert secret not in str(await keys.list_keys())
