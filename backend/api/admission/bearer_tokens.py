"""Bearer tokens: JWTs that an issuer has signed, in place of API keys.

A token is verified once: what it permits is kept in memory until it expires, by the SHA-256 of the
token. The algorithm is that of the issuer's key, never the token's choice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Any, Final

import jwt

from backend.api.admission.refusals import refuse_token
from backend.api.admission.signing_keys import SigningKeys
from backend.api.wire.problems import Problem, retry_later
from backend.domain.access.principals import ISSUED_ID_PREFIX, Principal, find_owner_fault
from backend.domain.access.scopes import Scope

TOKEN_LENGTH_MAX: Final = 8_192
TOKENS_MAX: Final = 10_000
"""Most tokens whose verification is kept."""
_REQUIRED: Final = ["exp", "iss", "aud", "sub"]
_REASONS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (jwt.ExpiredSignatureError, "has expired"),
    (jwt.ImmatureSignatureError, "is not valid yet"),
    (jwt.InvalidAudienceError, "is for another audience"),
    (jwt.InvalidIssuerError, "is of another issuer"),
    (jwt.MissingRequiredClaimError, f"lacks one of the claims {', '.join(_REQUIRED)}"),
    (jwt.InvalidSignatureError, "has a wrong signature"),
    (jwt.InvalidAlgorithmError, "has an algorithm that is not that of its key"),
)
"""What callers are told; what the library says may repeat parts of the token."""


@dataclass(frozen=True, slots=True)
class TokenPolicy:
    """Whose tokens are taken: their ``iss`` and ``aud``, and the skew of clocks in seconds."""

    issuer: str
    audience: str
    skew_s: float


class BearerTokens:
    """Verifies tokens, and keeps what they permit."""

    def __init__(
        self, keys: SigningKeys, policy: TokenPolicy, *, now: Callable[[], datetime]
    ) -> None:
        self._keys = keys
        self._policy = policy
        self._now = now
        self._verified: dict[bytes, Principal] = {}
        self._changes = 0
        keys.on_change = self._forget

    @property
    def revision(self) -> tuple[int, bool]:
        """How often the keys of the issuer have changed, and whether they can be gone by."""
        return self._changes, self._keys.is_usable

    def _forget(self) -> None:
        self._verified.clear()
        self._changes += 1

    def find(self, token_hash: bytes) -> Principal | None:
        """The principal of a token that was verified before and has not expired."""
        principal = self._verified.get(token_hash)
        return principal if principal is not None and self.is_current(principal) else None

    def is_current(self, principal: Principal) -> bool:
        """Whether the token of a principal has not expired, and its key is still the issuer's."""
        has_key = self._keys.has(principal.key_id.removeprefix(ISSUED_ID_PREFIX))
        return has_key and principal.expires_at_s > monotonic() and self._keys.is_usable

    async def verify(self, token: str, token_hash: bytes) -> Principal:
        """The principal of a token. Raises ``Problem``: 401 with the reason, 503."""
        if len(token) > TOKEN_LENGTH_MAX:
            raise refuse_token(f"is longer than {TOKEN_LENGTH_MAX} characters")
        principal = self._read_principal(*await self._decode(token))
        if len(self._verified) >= TOKENS_MAX:
            self._make_room()
        self._verified[token_hash] = principal
        return principal

    async def _decode(self, token: str) -> tuple[str, Mapping[str, Any]]:
        """The ``kid`` and the claims of a token whose signature and claims are right."""
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            if not isinstance(kid, str):
                raise refuse_token("has no kid: it must name the key that signed it")
            key = await self._keys.find(kid)
            if not self._keys.is_usable:
                detail = "tokens cannot be verified: the keys of their issuer cannot be read"
                raise retry_later("issuer_unavailable", detail)
            if key is None:
                raise refuse_token("names a key that its issuer does not have")
            claims = jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                audience=self._policy.audience,
                issuer=self._policy.issuer,
                leeway=self._policy.skew_s,
                options={"require": _REQUIRED},
            )
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
            raise _explain(error) from None
        return kid, claims

    def _read_principal(self, kid: str, claims: Mapping[str, Any]) -> Principal:
        owner = claims["sub"]
        if fault := find_owner_fault(owner):
            raise refuse_token(f"has a sub that {fault}")
        names = claims.get("scope", "")
        if not isinstance(names, str):
            raise refuse_token("has a scope that is no text: its scopes are separated by blanks")
        known = {scope.value for scope in Scope}
        return Principal(
            owner,
            frozenset(Scope(name) for name in names.split() if name in known),
            f"{ISSUED_ID_PREFIX}{kid}",
            is_limited=True,
            expires_at_s=monotonic() + self._count_remaining_s(claims["exp"]),
        )

    def _count_remaining_s(self, expires_at: float) -> float:
        try:
            return int(expires_at) + self._policy.skew_s - self._now().timestamp()
        except OverflowError:
            raise refuse_token("has an exp that is no time") from None

    def _make_room(self) -> None:
        """Forget the tokens that have expired; if that is not enough, the oldest half."""
        current = [item for item in self._verified.items() if self.is_current(item[1])]
        kept = current if len(current) < TOKENS_MAX else current[TOKENS_MAX // 2 :]
        self._verified.clear()
        self._verified.update(kept)


def _explain(error: Exception) -> Problem:
    for kind, reason in _REASONS:
        if isinstance(error, kind):
            return refuse_token(reason)
    return refuse_token("is malformed, or has a critical header that is not known here")
