"""Authentication: the principal of the key or token that a request carries.

A key is looked up by its SHA-256, in memory: the time that takes tells nothing of the keys that
there are, since nobody chooses the hash of a guess. Where no key was ever made or configured,
every caller is one owner, ``local``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from time import monotonic
from typing import TYPE_CHECKING, Final, Protocol

from backend.api.admission.key_table import KeyTable
from backend.api.admission.key_uses import KeyUses
from backend.api.admission.refusals import refuse_credentials, refuse_stale_keys
from backend.domain.access.principals import OPEN_PRINCIPAL, Principal
from backend.domain.access.scopes import ALL_SCOPES, OWNER_SCOPES
from backend.domain.access.signatures import SIGNATURE_HEADER
from backend.store.access.key_store import hash_key

if TYPE_CHECKING:  # a worker, which asks for the keys of its metrics, needs neither
    from hypercorn.typing import HTTPScope, WebsocketScope

    from backend.api.admission.signed_requests import SignedRequests

CONFIGURED_ID: Final = "configured"
"""The id of every key of ``ORDER_ENGINE_API_KEYS``."""
_MUST_SIGN: Final = "this key signs its requests: send X-Signature, and not the key"
_NO_KEY: Final = "a known API key is needed: Authorization: Bearer <key>, or X-API-Key: <key>"


class TokenVerifier(Protocol):
    """What verifies tokens: its libraries are loaded only where an issuer is configured."""

    @property
    def revision(self) -> object:
        """A value that is another one when the keys of the issuer have changed."""
        ...

    def find(self, token_hash: bytes) -> Principal | None:
        """The principal of a token that was verified before."""
        ...

    def is_current(self, principal: Principal) -> bool:
        """Whether the token of a principal is still valid."""
        ...

    async def verify(self, token: str, token_hash: bytes) -> Principal:
        """The principal of a token. Raises ``Problem``: 401, 503."""
        ...


class Authenticator:
    """Knows the configured keys, the stored ones, and the tokens of an issuer.

    ``is_closed``: a key or token is asked for even if none is configured or was ever stored.
    ``operators`` are the owners of configured keys that have the scope ``admin``.
    """

    def __init__(
        self,
        configured: Iterable[str],
        *,
        is_closed: bool,
        operators: Collection[str] = (),
        table: KeyTable | None = None,
        uses: KeyUses | None = None,
        signed: SignedRequests | None = None,
        tokens: TokenVerifier | None = None,
    ) -> None:
        self._configured = _build_configured(configured, operators)
        self._is_closed = is_closed or bool(self._configured) or tokens is not None
        self._table = table
        self._uses = uses
        self._signed = signed
        self._tokens = tokens

    @property
    def is_open(self) -> bool:
        """Whether callers need no key."""
        return not (self._is_closed or (self._table is not None and self._table.has_had_keys))

    @property
    def revision(self) -> object:
        """A value that is another one when the validity of a principal may have changed."""
        table, tokens = self._table, self._tokens
        return (
            -1 if table is None else table.version,
            table is not None and table.is_stale,
            None if tokens is None else tokens.revision,
        )

    def has_key_of(self, owner: str) -> bool:
        """Whether a configured or a stored key is of this owner."""
        configured = any(each.owner == owner for each in self._configured.values())
        return configured or (self._table is not None and owner in self._table.owners)

    async def authenticate(
        self, headers: Mapping[str, str], scope: HTTPScope | WebsocketScope
    ) -> Principal:
        """The principal of the key or token in ``Authorization`` or ``X-API-Key``, or of the key
        that has signed a request.

        Raises ``Problem``: 401 if it is missing, unknown, or not valid now, or if two headers have
        different ones; 503 if it cannot be checked.
        """
        if self.is_open:
            return OPEN_PRINCIPAL
        credential = _read_credential(headers)
        if not credential and SIGNATURE_HEADER in headers and self._signed is not None:
            return await self._authenticate_signed(self._signed, headers, scope)
        credential_hash = hash_key(credential)
        principal = self._find(credential_hash)
        if principal is not None:
            return principal
        if self._tokens is not None and _is_token(credential):
            return await self._tokens.verify(credential, credential_hash)
        raise refuse_credentials(_NO_KEY)

    def require_current(self, principal: Principal) -> None:
        """Return if the key or token of a principal has not ended meanwhile.

        Raises ``Problem``: 401, 503.
        """
        if principal.is_limited and self.renew(principal) is None:
            raise refuse_credentials("the key or token has ended")

    def authenticate_by_key(self, headers: Mapping[str, str]) -> Principal:
        """As ``authenticate``, without waiting: of tokens only those that are known are taken."""
        if self.is_open:
            return OPEN_PRINCIPAL
        principal = self._find(hash_key(_read_credential(headers)))
        if principal is None:
            raise refuse_credentials(_NO_KEY)
        return principal

    def _find(self, credential_hash: bytes) -> Principal | None:
        principal = self._configured.get(credential_hash)
        if principal is None and self._table is not None:
            principal = self._find_stored(self._table, credential_hash)
        if principal is None and self._tokens is not None:
            principal = self._tokens.find(credential_hash)
        return principal

    def _find_stored(self, table: KeyTable, key_hash: bytes) -> Principal | None:
        principal = _require_fresh(table, table.find(key_hash))
        if principal is None:
            return None
        if principal.signing is not None:
            raise refuse_credentials(_MUST_SIGN)
        self._note_use(principal)
        return principal

    async def _authenticate_signed(
        self,
        signed: SignedRequests,
        headers: Mapping[str, str],
        scope: HTTPScope | WebsocketScope,
    ) -> Principal:
        request = signed.read(headers, scope)
        table = self._table
        principal = (
            None if table is None else _require_fresh(table, table.find_by_id(request.key_id))
        )
        await signed.take(request, None if principal is None else principal.signing)
        assert principal is not None
        self._note_use(principal)
        return principal

    def _note_use(self, principal: Principal) -> None:
        if self._uses is not None:
            self._uses.note(principal.key_id)

    def renew(self, principal: Principal) -> Principal | None:
        """A principal as it is by now; ``None`` if its key or token has ended.

        Raises ``Problem`` (503) if that cannot be told.
        """
        if not principal.is_limited:
            return principal
        if principal.key_id == OPEN_PRINCIPAL.key_id:
            return principal if self.is_open else None
        if principal.expires_at_s <= monotonic():
            return None
        if principal.is_token:
            is_current = self._tokens is not None and self._tokens.is_current(principal)
            return principal if is_current else None
        if self._table is None:
            return None
        current = _require_fresh(self._table, self._table.find_by_id(principal.key_id))
        return current if current and current.owner == principal.owner else None


def _require_fresh(table: KeyTable, principal: Principal | None) -> Principal | None:
    """The principal, unless it has expired. Raises ``Problem`` (503) if the table is stale."""
    if principal is None or principal.expires_at_s <= monotonic():
        return None
    if table.is_stale:
        raise refuse_stale_keys()
    return principal


def _build_configured(pairs: Iterable[str], operators: Collection[str]) -> dict[bytes, Principal]:
    """The principals of ``owner:key`` pairs. Without ``operators``, one owner alone is one."""
    parts = [pair.partition(":") for pair in pairs]
    owners = {owner for owner, _, _ in parts}
    permitted = operators or (owners if len(owners) == 1 else ())
    return {
        hash_key(key): Principal(
            owner, ALL_SCOPES if owner in permitted else OWNER_SCOPES, CONFIGURED_ID
        )
        for owner, _, key in parts
    }


def _is_token(credential: str) -> bool:
    """Whether a credential has the form of a token: three parts between dots."""
    return credential.count(".") == 2


def _read_credential(headers: Mapping[str, str]) -> str:
    token, key = _read_bearer_token(headers), headers.get("x-api-key")
    if token and key and token != key:
        raise refuse_credentials(
            "Authorization and X-API-Key have different keys: send one of them"
        )
    return token or key or ""


def _read_bearer_token(headers: Mapping[str, str]) -> str | None:
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else None
