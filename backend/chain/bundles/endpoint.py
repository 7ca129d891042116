"""The JSON-RPC of a bundle endpoint, as Jito's block engine has it.

What it says of a bundle proves nothing: a bundle that has landed may be in a block that is dropped.
So nothing is asked of it but its tip accounts; the signature of the transaction decides.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final

from solders.pubkey import Pubkey

from backend.chain.rpc.call_limiter import CallLimiter, CallLimits
from backend.chain.rpc.errors import Value, parse_result
from backend.chain.rpc.results import Json
from backend.chain.rpc.transport import CallObserver, RpcTransport

TIMEOUT_S: Final = 1.0
"""How long an answer is waited for: a transaction that goes here first goes to the nodes then."""
AUTH_HEADER: Final = "x-jito-auth"
_ACCOUNTS_MAX: Final = 64
_CONNECTIONS_MAX: Final = 8
_RESPONSE_BYTES_MAX: Final = 1 << 16


class BundleEndpoint:
    """A bundle endpoint; ``connect`` must be entered first.

    ``authorization`` is the value of ``AUTH_HEADER`` of each request, if it is not empty.
    """

    def __init__(self, url: str, *, on_call: CallObserver, authorization: str = "") -> None:
        headers: Mapping[str, str] = {AUTH_HEADER: authorization} if authorization else {}
        self._transport = RpcTransport(
            url,
            CallLimiter(CallLimits(), wait_max_s=0),
            timeout_s=TIMEOUT_S,
            connect_timeout_s=TIMEOUT_S,
            connections_max=_CONNECTIONS_MAX,
            response_bytes_max=_RESPONSE_BYTES_MAX,
            on_call=on_call,
            headers=headers,
        )

    def connect(self) -> AbstractAsyncContextManager[object]:
        """The connection pool, which is open for the duration of the block."""
        return self._transport

    async def get_tip_accounts(self) -> Sequence[Pubkey]:
        """The accounts that tips are paid to. Raises ``Unavailable`` or ``Rejected``."""
        return await self._call("getTipAccounts", [], _read_accounts)

    async def send_bundle(self, wire: bytes) -> str:
        """Send a bundle of one transaction; returns its id. Raises as ``get_tip_accounts``.

        One that is refused, or of which nothing is known, may land all the same.
        """
        params = [[b64encode(wire).decode()], {"encoding": "base64"}]
        return await self._call("sendBundle", params, _read_bundle_id)

    async def _call(self, method: str, params: Json, reader: Callable[[Json], Value]) -> Value:
        call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return parse_result(await self._transport.exchange(method, call), reader)


def _read_accounts(result: Json) -> list[Pubkey]:
    return [Pubkey.from_string(address) for address in result[:_ACCOUNTS_MAX]]


def _read_bundle_id(result: Json) -> str:
    if not isinstance(result, str):
        raise TypeError("the id of a bundle is no text")
    return result
