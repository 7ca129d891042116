"""Settings of who may use the API: stored keys, and tokens of an issuer."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings


class AccessSettings(BaseSettings):
    """Settings of who may use the API: stored keys, and tokens of an issuer."""

    keys_stale_max_s: float = Field(
        10,
        ge=1,
        le=3_600,
        description="Time in which an API process goes by the stored keys that it knows while"
        " PostgreSQL does not answer, in seconds. Then it refuses them with 503 and closes their"
        " WebSockets, as it cannot know which were revoked.",
    )
    jwt_jwks: str = Field(
        "",
        description="File or `https://` address of the JWKS document of an issuer whose JWTs are"
        " taken in place of API keys; `http://` on loopback only. Empty: none.",
    )
    jwt_issuer: str = Field("", description="`iss` that a JWT must have.")
    jwt_audience: str = Field("", description="`aud` that a JWT must have, or have among others.")
    jwt_skew_s: float = Field(
        30,
        ge=0,
        le=120,
        description="Difference of clocks that `exp` and `nbf` of a JWT may have, in seconds.",
    )
