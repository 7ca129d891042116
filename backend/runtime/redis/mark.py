"""A short text that is kept outside of PostgreSQL, as a hint: it may be lost at any time."""

from __future__ import annotations

from redis.asyncio import Redis
from redis.exceptions import RedisError

from backend.runtime.redis.errors import drop_connections_if_moved


class RedisMark:
    """A text in Redis under one name."""

    def __init__(self, redis: Redis, name: str) -> None:
        self._redis = redis
        self._name = name

    async def read(self) -> str | None:
        """The text; ``None`` if there is none, or Redis does not tell it."""
        try:
            value = await self._redis.get(self._name)
        except (RedisError, OSError) as error:
            await drop_connections_if_moved(self._redis.connection_pool, error)
            return None
        return value.decode() if isinstance(value, bytes) else value

    async def write(self, text: str) -> None:
        """Keep a text, unless Redis does not take it."""
        try:
            await self._redis.set(self._name, text)
        except (RedisError, OSError) as error:
            await drop_connections_if_moved(self._redis.connection_pool, error)
