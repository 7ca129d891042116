"""A JSON-RPC client for one Solana node, over one connection pool.

Every result is a typed value and every failure an ``EngineError`` whose class says how to react.
Calls that carry one item each (sends, transactions) are sent as JSON-RPC batches, small enough for
the 50 KiB that a node accepts in one request.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Callable, Sequence
from functools import partial
from time import monotonic
from types import TracebackType
from typing import Final, Self

import aiohttp
import orjson
from solders.pubkey import Pubkey

from backend.chain.rpc_errors import (
    ReadFailure,
    Value,
    classify_http_status,
    parse_result,
    parse_send_result,
    parse_transaction,
    to_send_failure,
)
from backend.chain.rpc_results import (
    Blockhash,
    ChainTip,
    Json,
    LandedTransaction,
    SignatureStatuses,
    SimulationResult,
    read_accounts,
    read_blockhash,
    read_simulation,
    read_statuses,
    read_tip,
)
from backend.chain.wire import Commitment
from backend.domain.errors import EngineError
from backend.venues.venue import Account

KEYS_MAX: Final = 100
"""Most accounts in one getMultipleAccounts, by the protocol."""
SIGNATURES_MAX: Final = 256
"""Most signatures in one getSignatureStatuses, by the protocol."""
SEND_BATCH_MAX: Final = 28
"""Most sends in one batch: 28 of the largest transactions in base64 fit 50 KiB."""
FETCH_BATCH_MAX: Final = 100
"""Most ``getTransaction`` calls in one batch: that many fit 50 KiB as well."""

_READ_SIZE: Final = 1 << 16
_ENCODING: Final = "base64"

CallObserver = Callable[[str, str, float], None]
"""Called after each request with the method, ``ok`` or the error code, and the seconds it took."""


def _ignore_call(method: str, outcome: str, seconds: float) -> None:
    """The default observer: does nothing."""


class RpcClient:
    """A client of one node. An async context manager that owns the connection pool."""

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float = 5,
        connect_timeout_s: float = 2,
        connections_max: int = 32,
        response_bytes_max: int = 16 << 20,
        on_call: CallObserver = _ignore_call,
    ) -> None:
        self._url = url
        self._timeout_s = timeout_s
        self._connect_timeout_s = connect_timeout_s
        self._connections_max = connections_max
        self._response_bytes_max = response_bytes_max
        self._on_call = on_call
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections_max),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._connect_timeout_s),
            headers={"Content-Type": "application/json"},
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def get_genesis_hash(self) -> str:
        """Identify the chain. Raises ``Transient`` or ``Rejected``, as every read does."""
        return await self._read("getGenesisHash", [], str)

    async def get_latest_blockhash(
        self, commitment: Commitment = Commitment.CONFIRMED
    ) -> Blockhash:
        """The blockhash to sign with, and the last block height at which it is valid."""
        return await self._read("getLatestBlockhash", [{"commitment": commitment}], read_blockhash)

    async def get_epoch_info(self, commitment: Commitment) -> ChainTip:
        """The chain tip: slot and height of the same block, which two calls could not ensure."""
        return await self._read("getEpochInfo", [{"commitment": commitment}], read_tip)

    async def get_balance(self, owner: Pubkey) -> int:
        """The lamports of an account."""
        params = [str(owner), {"commitment": Commitment.CONFIRMED}]
        return await self._read("getBalance", params, lambda result: int(result["value"]))

    async def get_multiple_accounts(
        self, keys: Sequence[Pubkey], commitment: Commitment = Commitment.CONFIRMED
    ) -> tuple[int, list[Account | None]]:
        """The slot, and the accounts of at most 100 keys as of that slot."""
        assert len(keys) <= KEYS_MAX
        options = {"encoding": _ENCODING, "commitment": commitment}
        return await self._read(
            "getMultipleAccounts",
            [[str(key) for key in keys], options],
            partial(read_accounts, expected=len(keys)),
        )

    async def simulate_transaction(
        self, wire: bytes, *, min_context_slot: int = 0
    ) -> SimulationResult:
        """Simulate a signed transaction; its signature is not verified.

        A node that has not reached ``min_context_slot`` refuses: ``ReadFailure`` (node_behind).
        """
        options = {
            "encoding": _ENCODING,
            "sigVerify": False,
            "replaceRecentBlockhash": False,
            "commitment": Commitment.CONFIRMED,
            "minContextSlot": min_context_slot,
        }
        return await self._read(
            "simulateTransaction", [_encode_base64(wire), options], read_simulation
        )

    async def get_signature_statuses(
        self, signatures: Sequence[str], *, search_history: bool = False
    ) -> SignatureStatuses:
        """The status of each signature, as of the oldest slot of the requests that were needed."""
        parts: list[SignatureStatuses] = []
        options = {"searchTransactionHistory": search_history}
        for at in range(0, len(signatures), SIGNATURES_MAX):
            chunk = list(signatures[at : at + SIGNATURES_MAX])
            reader = partial(read_statuses, expected=len(chunk))
            parts.append(await self._read("getSignatureStatuses", [chunk, options], reader))
        return SignatureStatuses(
            min((part.slot for part in parts), default=0),
            [s for part in parts for s in part.entries],
        )

    async def get_transactions(
        self, signatures: Sequence[str]
    ) -> list[LandedTransaction | EngineError | None]:
        """Fetch landed transactions: ``None`` where no block contains one, or the error for it."""
        options = {
            "encoding": _ENCODING,
            "commitment": Commitment.CONFIRMED,
            "maxSupportedTransactionVersion": 1,
        }
        results: list[LandedTransaction | EngineError | None] = []
        for at in range(0, len(signatures), FETCH_BATCH_MAX):
            calls = [[signature, options] for signature in signatures[at : at + FETCH_BATCH_MAX]]
            try:
                responses = await self._exchange_batch("getTransaction", calls)
            except EngineError as failure:
                results += [failure] * len(calls)
            else:
                results += [parse_transaction(response) for response in responses]
        return results

    async def send_transactions(
        self, wires: Sequence[bytes], *, skip_preflight: bool = True
    ) -> list[str | EngineError]:
        """Send signed transactions; returns the signature or the error of each.

        ``Rejected`` means that these bytes can never land, ``OutcomeUnknown`` that only the chain
        can show whether they do. A transaction that the node has already processed is a success.
        """
        options = {
            "encoding": _ENCODING,
            "skipPreflight": skip_preflight,
            "preflightCommitment": Commitment.CONFIRMED,
            "maxRetries": 0,
        }
        results: list[str | EngineError] = []
        for at in range(0, len(wires), SEND_BATCH_MAX):
            chunk = wires[at : at + SEND_BATCH_MAX]
            calls = [[_encode_base64(wire), options] for wire in chunk]
            try:
                responses = await self._exchange_batch("sendTransaction", calls)
            except EngineError as failure:
                results += [to_send_failure(failure)] * len(chunk)
            else:
                results += [
                    parse_send_result(response, wire)
                    for response, wire in zip(responses, chunk, strict=True)
                ]
        return results

    async def _read(
        self, method: str, params: list[Json], reader: Callable[[Json], Value]
    ) -> Value:
        call = {"jsonrpc": "2.0", "id": 0, "method": method, "params": params}
        response = await self._exchange(method, call)
        return parse_result(response, reader)

    async def _exchange_batch(self, method: str, calls: list[list[Json]]) -> list[Json]:
        """One response object per call, in order; an empty one where the node omitted it."""
        batch = [
            {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
            for number, params in enumerate(calls)
        ]
        if len(batch) == 1:  # some nodes and proxies rate an array as a more expensive request
            return [await self._exchange(method, batch[0])]
        responses = await self._exchange(method, batch)
        if not isinstance(responses, list):  # the batch was refused as a whole
            return [responses] * len(batch)
        by_id = {r["id"]: r for r in responses if isinstance(r, dict) and _is_number(r.get("id"))}
        return [by_id.get(number, {}) for number in range(len(batch))]

    async def _exchange(self, method: str, body: Json) -> Json:
        """Perform one HTTP request. Raises ``ReadFailure``, which a send reclassifies."""
        start = monotonic()
        try:
            response = await self._post(orjson.dumps(body))
        except ReadFailure as failure:
            self._on_call(method, failure.code, monotonic() - start)
            raise
        is_refused = isinstance(response, dict) and response.get("error") is not None
        self._on_call(method, "refused" if is_refused else "ok", monotonic() - start)
        return response

    async def _post(self, body: bytes) -> Json:
        try:
            async with asyncio.timeout(self._timeout_s):
                return orjson.loads(await self._fetch(body))
        except TimeoutError:
            raise ReadFailure("node_timeout", f"no response within {self._timeout_s:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            # Without the error's own message: it contains the node's address, and clients see this.
            reason = f"the connection to the node failed ({type(error).__name__})"
            raise ReadFailure("node_unreachable", reason) from None
        except ValueError:
            raise ReadFailure("node_error", "the node's response is not JSON") from None

    async def _fetch(self, body: bytes) -> bytes:
        assert self._session is not None, "used outside of its context"
        async with self._session.post(self._url, data=body) as response:
            if response.status != 200:
                raise classify_http_status(response.status, response.headers.get("Retry-After"))
            content = bytearray()
            async for chunk in response.content.iter_chunked(_READ_SIZE):
                content += chunk
                if len(content) > self._response_bytes_max:
                    raise ReadFailure("node_error", "the node's response is too large")
            return bytes(content)


def _is_number(value: Json) -> bool:
    return isinstance(value, int)


def _encode_base64(wire: bytes) -> str:
    return b64encode(wire).decode()
