"""A JSON-RPC client for one Solana node, over one pool of connections.

Every answer is a typed value and every failure an ``EngineError`` that says what may be done.
Calls that carry one item each (sends, transactions) go out as JSON-RPC batches, small enough for
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

from backend.chain.rpc_errors import ReadFailed, http_failure, unanswered
from backend.chain.rpc_responses import Value, landed_of, sent_of, value_of
from backend.chain.rpc_results import (
    Blockhash,
    Json,
    Landed,
    Simulation,
    Statuses,
    Tip,
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
BATCH_MAX: Final = 28
"""Most calls in one batch: 28 of the largest transactions in base64 fit 50 KiB."""

FETCHED_MAX: Final = 100
"""Most transactions that are asked for in one batch: that many questions fit 50 KiB as well."""

_READ_SIZE: Final = 1 << 16
_ENCODING: Final = "base64"

OnCall = Callable[[str, str, float], None]
"""Told of each exchange: the method, ``ok`` or the code of its error, and the seconds it took."""


def _untold(method: str, outcome: str, seconds: float) -> None:
    """Nobody wants to hear of the calls."""


class Rpc:
    """One node. An async context manager: the pool of connections lives inside it."""

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float = 5,
        connect_timeout_s: float = 2,
        connections_max: int = 32,
        response_bytes_max: int = 16 << 20,
        on_call: OnCall = _untold,
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
        """Which chain this is. Raises ``Transient`` or ``Rejected``, as every read does."""
        return await self._read("getGenesisHash", [], str)

    async def get_latest_blockhash(
        self, commitment: Commitment = Commitment.CONFIRMED
    ) -> Blockhash:
        """The blockhash to sign with, and how long what is signed with it can land."""
        return await self._read("getLatestBlockhash", [{"commitment": commitment}], read_blockhash)

    async def get_epoch_info(self, commitment: Commitment) -> Tip:
        """Where the chain is: slot and height of one block, which no two calls would give."""
        return await self._read("getEpochInfo", [{"commitment": commitment}], read_tip)

    async def get_balance(self, owner: Pubkey) -> int:
        """The lamports of an account."""
        params = [str(owner), {"commitment": Commitment.CONFIRMED}]
        return await self._read("getBalance", params, lambda result: int(result["value"]))

    async def get_multiple_accounts(
        self, keys: Sequence[Pubkey], commitment: Commitment = Commitment.CONFIRMED
    ) -> tuple[int, list[Account | None]]:
        """The slot, and the accounts of at most 100 keys as they are in it."""
        assert len(keys) <= KEYS_MAX
        options = {"encoding": _ENCODING, "commitment": commitment}
        return await self._read(
            "getMultipleAccounts",
            [[str(key) for key in keys], options],
            partial(read_accounts, expected=len(keys)),
        )

    async def simulate_transaction(self, wire: bytes) -> Simulation:
        """What a signed transaction would do now; its signature is not checked."""
        options = {
            "encoding": _ENCODING,
            "sigVerify": False,
            "replaceRecentBlockhash": False,
            "commitment": Commitment.CONFIRMED,
        }
        return await self._read("simulateTransaction", [_text(wire), options], read_simulation)

    async def get_signature_statuses(
        self, signatures: Sequence[str], *, search_history: bool = False
    ) -> Statuses:
        """What became of each signature; of many, as of the oldest slot that an answer is of."""
        parts: list[Statuses] = []
        options = {"searchTransactionHistory": search_history}
        for at in range(0, len(signatures), SIGNATURES_MAX):
            chunk = list(signatures[at : at + SIGNATURES_MAX])
            reader = partial(read_statuses, expected=len(chunk))
            parts.append(await self._read("getSignatureStatuses", [chunk, options], reader))
        return Statuses(
            min((part.slot for part in parts), default=0), [s for part in parts for s in part.found]
        )

    async def get_transactions(
        self, signatures: Sequence[str]
    ) -> list[Landed | EngineError | None]:
        """Each transaction as its block contains it, ``None`` if none does, or its error."""
        options = {
            "encoding": _ENCODING,
            "commitment": Commitment.CONFIRMED,
            "maxSupportedTransactionVersion": 1,
        }
        answers: list[Landed | EngineError | None] = []
        for at in range(0, len(signatures), FETCHED_MAX):
            calls = [[signature, options] for signature in signatures[at : at + FETCHED_MAX]]
            try:
                items = await self._exchange_batch("getTransaction", calls)
            except EngineError as failure:
                answers += [failure] * len(calls)
            else:
                answers += [landed_of(item) for item in items]
        return answers

    async def send_transactions(
        self, wires: Sequence[bytes], *, skip_preflight: bool = True
    ) -> list[str | EngineError]:
        """Send signed transactions: for each its signature, or what went wrong with it.

        ``Rejected`` says that these bytes never land; ``Unknown`` that only the chain can tell.
        A transaction that the node has processed already is a success.
        """
        options = {
            "encoding": _ENCODING,
            "skipPreflight": skip_preflight,
            "preflightCommitment": Commitment.CONFIRMED,
            "maxRetries": 0,
        }
        answers: list[str | EngineError] = []
        for at in range(0, len(wires), BATCH_MAX):
            chunk = wires[at : at + BATCH_MAX]
            calls = [[_text(wire), options] for wire in chunk]
            try:
                items = await self._exchange_batch("sendTransaction", calls)
            except EngineError as failure:
                answers += [unanswered(failure)] * len(chunk)
            else:
                answers += [sent_of(item, wire) for item, wire in zip(items, chunk, strict=True)]
        return answers

    async def _read(
        self, method: str, params: list[Json], reader: Callable[[Json], Value]
    ) -> Value:
        call = {"jsonrpc": "2.0", "id": 0, "method": method, "params": params}
        answer = await self._exchange(method, call)
        return value_of(answer, reader)

    async def _exchange_batch(self, method: str, calls: list[list[Json]]) -> list[Json]:
        """One answer object for each call, in order; an empty one where the node left it out."""
        batch = [
            {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
            for number, params in enumerate(calls)
        ]
        if len(batch) == 1:  # some nodes and proxies count an array as a costlier request
            return [await self._exchange(method, batch[0])]
        answers = await self._exchange(method, batch)
        if not isinstance(answers, list):  # the batch was refused as a whole
            return [answers] * len(batch)
        by_id = {a["id"]: a for a in answers if isinstance(a, dict) and _is_number(a.get("id"))}
        return [by_id.get(number, {}) for number in range(len(batch))]

    async def _exchange(self, method: str, body: Json) -> Json:
        """One HTTP exchange. Raises ``ReadFailed``; what that means is up to the caller."""
        start = monotonic()
        try:
            answer = await self._post(orjson.dumps(body))
        except ReadFailed as failure:
            self._on_call(method, failure.code, monotonic() - start)
            raise
        refused = isinstance(answer, dict) and answer.get("error") is not None
        self._on_call(method, "refused" if refused else "ok", monotonic() - start)
        return answer

    async def _post(self, body: bytes) -> Json:
        try:
            async with asyncio.timeout(self._timeout_s):
                return orjson.loads(await self._fetch(body))
        except TimeoutError:
            raise ReadFailed("node_timeout", f"no answer within {self._timeout_s:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            # Without the error's own words: they name the node's address, and clients hear this.
            reason = f"the connection to the node failed ({type(error).__name__})"
            raise ReadFailed("node_unreachable", reason) from None
        except ValueError:
            raise ReadFailed("node_error", "the node answers something that is not JSON") from None

    async def _fetch(self, body: bytes) -> bytes:
        assert self._session is not None, "used outside of its context"
        async with self._session.post(self._url, data=body) as response:
            if response.status != 200:
                raise http_failure(response.status, response.headers.get("Retry-After"))
            content = bytearray()
            async for piece in response.content.iter_chunked(_READ_SIZE):
                content += piece
                if len(content) > self._response_bytes_max:
                    raise ReadFailed("node_error", "the node's answer is too large")
            return bytes(content)


def _is_number(value: Json) -> bool:
    return isinstance(value, int)


def _text(wire: bytes) -> str:
    return b64encode(wire).decode()
