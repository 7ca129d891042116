"""API keys in PostgreSQL: made, changed and listed by commands, followed by API processes.

A key is ``<id>_<secret>``. The id is readable and stored; of the whole key only the SHA-256 is,
which is enough for 192 random bits. Every change raises a version in its transaction.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final, NamedTuple

import asyncpg

from backend.domain.access.principals import Network
from backend.domain.access.scopes import Scope, format_scopes, parse_scopes
from backend.domain.access.signatures import RequestSigning, SigningMethod
from backend.domain.errors import Rejected
from backend.store.audit_log.entries import ENGINE, Actor, append_entry
from backend.store.database import DatabasePool
from backend.store.errors import translate_errors

KEYS_MAX: Final = 10_000
"""Most keys that are valid at a time: every API process has them in memory."""
LAST_USE_INTERVAL_S: Final = 60
"""The last use of a key is written this often at most."""
FOLLOW_TIMEOUT_S: Final = 2.0
_PREFIX: Final = "oek_"
_ID_BYTES: Final = 6
_SECRET_BYTES: Final = 24

_IS_VALID: Final = "revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())"
_COLUMNS: Final = (
    "id, owner, scopes, networks, created_at, expires_at, revoked_at, replaced_by, last_used_at,"
    " signing"
)
_CREATE: Final = f"""
INSERT INTO api_keys (id, key_hash, owner, scopes, networks, expires_at, signing, public_key)
SELECT $1, $2, $3, $4::text[], $5::cidr[], now() + $6::interval, $7, $8
WHERE (SELECT count(*) FROM api_keys WHERE {_IS_VALID}) < $9
RETURNING {_COLUMNS}
"""  # noqa: S608 - constants only
_LIST: Final = f"SELECT {_COLUMNS} FROM api_keys ORDER BY created_at, id"  # noqa: S608 - constants
_CHANGE: Final = f"""
UPDATE api_keys SET
    scopes = coalesce($2::text[], scopes),
    networks = coalesce($3::cidr[], networks),
    expires_at = CASE WHEN $4::interval IS NULL THEN expires_at ELSE now() + $4::interval END
WHERE id = $1 AND {_IS_VALID} RETURNING {_COLUMNS}
"""  # noqa: S608 - constants only
_REVOKE: Final = f"""
UPDATE api_keys SET revoked_at = coalesce(revoked_at, now()) WHERE id = $1 RETURNING {_COLUMNS}
"""  # noqa: S608 - constants only
_ROTATE: Final = f"""
WITH successor AS (
    INSERT INTO api_keys (id, key_hash, owner, scopes, networks, expires_at, signing)
    SELECT $2, $3, owner, scopes, networks, coalesce(now() + $5::interval, expires_at), signing
    FROM api_keys
    WHERE id = $1 AND replaced_by IS NULL AND public_key IS NULL AND {_IS_VALID} FOR UPDATE
    RETURNING {_COLUMNS}
), replaced AS (
    UPDATE api_keys
    SET expires_at = least(expires_at, now() + $4::interval), replaced_by = $2
    WHERE id = $1 AND EXISTS (SELECT FROM successor)
)
SELECT {_COLUMNS} FROM successor
"""  # noqa: S608 - constants only
# One statement reads the version and the keys of one moment; none of a version that is known.
_FOLLOW: Final = """
SELECT v.version, k.id, k.key_hash, k.owner, k.scopes, k.networks, k.signing, k.public_key,
       extract(epoch FROM k.expires_at - now())::float8 AS expires_in_s
FROM api_keys_version v
LEFT JOIN api_keys k
       ON k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
WHERE v.version <> $1
ORDER BY k.created_at, k.id LIMIT $2
"""
_MARK_USED: Final = """
UPDATE api_keys SET last_used_at = now()
WHERE id = ANY($1::text[])
  AND (last_used_at IS NULL OR last_used_at <= now() - make_interval(secs => $2))
"""


class KeyRow(NamedTuple):
    """A key as it is listed: everything but its hash."""

    id: str
    owner: str
    scopes: frozenset[Scope]
    networks: tuple[Network, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    replaced_by: str | None
    last_used_at: datetime | None
    signing: SigningMethod | None


class CreatedKey(NamedTuple):
    """A key that was just made: the only moment at which it can be shown."""

    key: str
    row: KeyRow


class ValidKey(NamedTuple):
    """A key that is neither revoked nor expired; ``expires_in_s`` by the database's clock."""

    id: str
    key_hash: bytes
    owner: str
    scopes: frozenset[Scope]
    networks: tuple[Network, ...]
    expires_in_s: float | None
    signing: RequestSigning | None


class KeyChanges(NamedTuple):
    """All valid keys at a version of the table."""

    version: int
    keys: Sequence[ValidKey]


class KeyStore:
    """The keys in PostgreSQL. Every method raises ``Transient`` while it is unavailable.

    The audit log tells what ``actor`` changes.
    """

    def __init__(self, pool: DatabasePool, actor: Actor = ENGINE) -> None:
        self._pool = pool
        self._actor = actor

    async def create(
        self,
        owner: str,
        scopes: Iterable[Scope],
        *,
        networks: Sequence[Network] = (),
        expires_in: timedelta | None = None,
        signing: SigningMethod | None = None,
        public_key: bytes | None = None,
    ) -> CreatedKey:
        """A new key of an owner, which may have to sign its requests: by ``ED25519`` with a
        ``public_key``, and of no other use then.

        Raises ``Rejected`` if there are ``KEYS_MAX`` already.
        """
        key_id, key = _make_key()
        arguments = key_id, hash_key(key), owner, format_scopes(scopes), list(networks), expires_in
        rows = await self._change("key_created", _CREATE, *arguments, signing, public_key, KEYS_MAX)
        if not rows:
            reason = f"{KEYS_MAX} keys are valid: revoke some that are not used"
            raise Rejected("too_many_keys", reason)
        return CreatedKey(key, _read_row(rows[0]))

    async def list_keys(self) -> list[KeyRow]:
        """All keys, the oldest first, also those that are revoked or expired."""
        return [_read_row(row) for row in await self._pool.read(_LIST)]

    async def change(
        self,
        key_id: str,
        *,
        scopes: Iterable[Scope] | None = None,
        networks: Sequence[Network] | None = None,
        expires_in: timedelta | None = None,
    ) -> KeyRow:
        """Change what is not ``None``. Raises ``Rejected`` if there is no such valid key."""
        names = None if scopes is None else format_scopes(scopes)
        places = None if networks is None else list(networks)
        changed = await self._change("key_changed", _CHANGE, key_id, names, places, expires_in)
        return _read_row(_one(changed))

    async def rotate(
        self, key_id: str, *, overlap: timedelta, expires_in: timedelta | None = None
    ) -> CreatedKey:
        """A new key in place of another, which ends after ``overlap``.

        It has the owner, scopes and networks of that one, and its expiry unless ``expires_in`` is
        given. Raises ``Rejected`` if there is no such valid key, if it was rotated before, or if
        it has a public key: the caller makes another pair.
        """
        new_id, key = _make_key()
        arguments = key_id, new_id, hash_key(key), overlap, expires_in
        rows = await self._change("key_rotated", _ROTATE, *arguments, replaced=key_id)
        return CreatedKey(key, _read_row(_one(rows)))

    async def revoke(self, key_id: str) -> KeyRow:
        """End a key; one that has ended stays as it is. Raises ``Rejected`` if there is none."""
        return _read_row(_one(await self._change("key_revoked", _REVOKE, key_id)))

    async def read_changes(self, known_version: int) -> KeyChanges | None:
        """All valid keys if there is another version than the known one, else ``None``."""
        rows = await self._pool.read(_FOLLOW, known_version, KEYS_MAX, timeout=FOLLOW_TIMEOUT_S)
        if not rows:
            return None
        return KeyChanges(rows[0]["version"], [_read_valid(row) for row in rows if row["id"]])

    async def mark_used(self, key_ids: Iterable[str]) -> None:
        """Note that keys are used now, unless that was noted within ``LAST_USE_INTERVAL_S``."""
        await self._write(_MARK_USED, list(key_ids), float(LAST_USE_INTERVAL_S))

    async def _change(
        self, action: str, statement: str, *arguments: Any, **told: str
    ) -> Sequence[asyncpg.Record]:
        """Change keys, and tell the audit log of those that were."""

        async def change() -> Sequence[asyncpg.Record]:
            async with self._pool.acquire() as connection, connection.transaction():
                rows = await connection.fetch(statement, *arguments)
                for row in rows:
                    entry = {
                        "key": row["id"],
                        "owner": row["owner"],
                        "scopes": row["scopes"],
                        **told,
                    }
                    await append_entry(connection, self._actor, action, entry)
                return rows

        return await translate_errors(change)

    async def _write(self, statement: str, *arguments: Any) -> Sequence[asyncpg.Record]:
        async def write() -> Sequence[asyncpg.Record]:
            async with self._pool.acquire() as connection:
                return await connection.fetch(statement, *arguments)

        return await translate_errors(write)


def hash_key(key: str) -> bytes:
    """What is stored and looked up of a key."""
    return sha256(key.encode("utf-8", "surrogatepass")).digest()


def _make_key() -> tuple[str, str]:
    key_id = f"{_PREFIX}{secrets.token_hex(_ID_BYTES)}"
    return key_id, f"{key_id}_{secrets.token_hex(_SECRET_BYTES)}"


def _one(rows: Sequence[asyncpg.Record]) -> asyncpg.Record:
    if not rows:
        reason = "no key with this id is valid, or it cannot be rotated: `keys list` shows all"
        raise Rejected("unknown_key", reason)
    return rows[0]


def _read_row(row: asyncpg.Record) -> KeyRow:
    values = dict(row)
    signing = row["signing"] and SigningMethod(row["signing"])
    parsed = {"scopes": parse_scopes(row["scopes"]), "networks": tuple(row["networks"])}
    return KeyRow(**{**values, **parsed, "signing": signing})


def _read_valid(row: asyncpg.Record) -> ValidKey:
    return ValidKey(
        row["id"],
        bytes(row["key_hash"]),
        row["owner"],
        parse_scopes(row["scopes"]),
        tuple(row["networks"]),
        row["expires_in_s"],
        _read_signing(row),
    )


def _read_signing(row: asyncpg.Record) -> RequestSigning | None:
    if row["signing"] is None:
        return None
    return RequestSigning(SigningMethod(row["signing"]), row["public_key"] or row["key_hash"])
