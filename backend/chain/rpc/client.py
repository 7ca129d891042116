"""A JSON-RPC client for one Solana node, over one connection pool.

Every result is a typed value and every failure an ``EngineError`` whose class says how to react.
Calls that carry one item each (sends, transactions) are sent as JSON-RPC arrays, small enough for
the 50 KiB that a node accepts in one request, and smaller where a node takes less.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from time import monotonic
from typing import Any, Final, Self

from solders.hash import Hash
from solders.pubkey import Pubkey

from backend.chain.rpc.array_sizes import ArraySize
from backend.chain.rpc.call_arrays import CallArrays
from backend.chain.rpc.call_limiter import CallLimiter, CallLimits
from backend.chain.rpc.errors import (
    RequestRefused,
    Value,
    parse_result,
    parse_send_result,
    parse_transaction,
)
from backend.chain.rpc.results import (
    Blockhash,
    ChainTip,
    Json,
    LandedTransaction,
    SignatureStatuses,
    SimulationResult,
    read_accounts,
    read_blockhash,
    read_executables,
    read_prioritization_fees,
    read_program_accounts,
    read_simulation,
    read_statuses,
    read_tip,
    read_validity,
)
from backend.chain.rpc.transport import CallObserver, RpcTransport
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

_ENCODING: Final = "base64"

WAIT_MAX_S: Final = 1.0
"""Longest time that a call waits for the node's limits; one that would wait longer fails."""


def _ignore_call(method: str, outcome: str, seconds: float) -> None:
    """The default observer: does nothing."""


class RpcClient:
    """A client of one node. An async context manager that owns the connection pool.

    ``limits`` bounds the calls; what the node itself limits is learned from its answers. A call
    waits for either at most ``wait_max_s``, which is no part of ``timeout_s``. ``authorization`` is
    the header of that name of each request.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float = 5,
        connect_timeout_s: float = 2,
        connections_max: int = 32,
        response_bytes_max: int = 16 << 20,
        limits: CallLimits = CallLimits(),  # noqa: B008 - frozen
        wait_max_s: float = WAIT_MAX_S,
        on_call: CallObserver = _ignore_call,
        authorization: str = "",
    ) -> None:
        self._transport = RpcTransport(
            url,
            CallLimiter(limits, wait_max_s=wait_max_s),
            timeout_s=timeout_s,
            connect_timeout_s=connect_timeout_s,
            connections_max=connections_max,
            response_bytes_max=response_bytes_max,
            on_call=on_call,
            headers={"Authorization": authorization} if authorization else {},
        )
        self._arrays = CallArrays(self._transport)
        self._statuses_size = ArraySize(SIGNATURES_MAX)

    async def __aenter__(self) -> Self:
        await self._transport.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self._transport.__aexit__(*error)

    @property
    def has_quorum(self) -> bool:
        """Whether two nodes have to agree on what decides about an order: there is one only."""
        return False

    def list_left_out(self) -> list[str]:
        """None: there is one node only, which is always used."""
        return []

    async def get_genesis_hash(self) -> str:
        """Identify the chain. Raises ``Transient`` or ``Rejected``, as every read does."""
        return await self.read("getGenesisHash", [], str)

    async def get_version(self) -> str:
        """The version of the node's software; raises ``ReadFailure`` if it does not tell one."""
        return await self.read("getVersion", [], lambda result: str(result["solana-core"]))

    async def takes_arrays(self) -> bool:
        """Whether the node answers JSON-RPC arrays. Raises ``EngineError`` if it answers nothing.

        What it shows is remembered for the calls of this method alone.
        """
        for answer in await self._arrays.request("getSlot", [[], []], 2):
            if isinstance(answer, EngineError):
                raise answer
            parse_result(answer, int)
        return self._arrays.get_taken_size("getSlot", 2) > 1

    async def get_latest_blockhash(
        self, commitment: Commitment = Commitment.CONFIRMED
    ) -> Blockhash:
        """The blockhash to sign with, and the last block height at which it is valid."""
        return await self.read("getLatestBlockhash", [{"commitment": commitment}], read_blockhash)

    async def is_blockhash_valid(self, blockhash: Hash, *, min_context_slot: int) -> bool:
        """Whether a node that has reached a slot knows a blockhash that can still be signed with.

        One that has not reached it refuses: ``ReadFailure`` (node_behind).
        """
        options = {"commitment": Commitment.CONFIRMED, "minContextSlot": min_context_slot}
        return await self.read("isBlockhashValid", [str(blockhash), options], read_validity)

    async def get_epoch_info(self, commitment: Commitment) -> ChainTip:
        """The chain tip: slot and height of the same block, which two calls could not ensure."""
        return await self.read("getEpochInfo", [{"commitment": commitment}], read_tip)

    async def get_balance(self, owner: Pubkey) -> int:
        """The lamports of an account."""
        params = [str(owner), {"commitment": Commitment.CONFIRMED}]
        return await self.read("getBalance", params, lambda result: int(result["value"]))

    async def get_multiple_accounts(
        self, keys: Sequence[Pubkey], commitment: Commitment = Commitment.CONFIRMED
    ) -> tuple[int, list[Account | None]]:
        """The slot, and the accounts of at most 100 keys as of that slot."""
        assert len(keys) <= KEYS_MAX
        options = {"encoding": _ENCODING, "commitment": commitment}
        return await self.read(
            "getMultipleAccounts",
            [[str(key) for key in keys], options],
            partial(read_accounts, expected=len(keys)),
        )

    async def are_executable(self, keys: Sequence[Pubkey]) -> list[bool | None]:
        """Whether accounts are programs; ``None`` where there is no account."""
        options = {"encoding": _ENCODING, "commitment": Commitment.CONFIRMED}
        params = [[str(key) for key in keys], options]
        reader = partial(read_executables, expected=len(keys))
        return await self.read("getMultipleAccounts", params, reader)

    async def request_airdrop(self, recipient: Pubkey, lamports: int) -> str:
        """Ask the node's faucet for SOL; returns the signature of its transfer."""
        return await self.read("requestAirdrop", [str(recipient), lamports], str)

    async def get_program_accounts(
        self, program: Pubkey, filters: Sequence[Json]
    ) -> tuple[int, dict[Pubkey, Account]]:
        """The slot, and the accounts of a program that pass all filters, by address.

        Raises ``Rejected`` (node_refused) if the node does not list what programs own.
        """
        options = {
            "encoding": _ENCODING,
            "commitment": Commitment.CONFIRMED,
            "filters": filters,
            "withContext": True,
        }
        params = [str(program), options]
        return await self.read("getProgramAccounts", params, read_program_accounts)

    async def simulate_transaction(
        self, wire: bytes, *, min_context_slot: int = 0, accounts: Sequence[Pubkey] = ()
    ) -> SimulationResult:
        """Simulate a transaction; its signature is not verified, and may be zeros.

        The result has ``accounts`` as the transaction leaves them. A node that has not reached
        ``min_context_slot`` refuses: ``ReadFailure`` (node_behind).
        """
        options: dict[str, Json] = {
            "encoding": _ENCODING,
            "sigVerify": False,
            "replaceRecentBlockhash": False,
            "commitment": Commitment.CONFIRMED,
            "minContextSlot": min_context_slot,
        }
        if accounts:
            options["accounts"] = {"encoding": _ENCODING, "addresses": list(map(str, accounts))}
        return await self.read(
            "simulateTransaction", [_encode_base64(wire), options], read_simulation
        )

    async def get_recent_prioritization_fees(self, keys: Sequence[Pubkey]) -> list[int]:
        """What blocks charged for a compute unit to lock accounts, the newest block last."""
        params = [[str(key) for key in keys]]
        return await self.read("getRecentPrioritizationFees", params, read_prioritization_fees)

    async def get_signature_statuses(
        self, signatures: Sequence[str], *, search_history: bool = False
    ) -> SignatureStatuses:
        """The status of each signature, as of the oldest slot of the requests that were needed."""
        parts: list[SignatureStatuses] = []
        options = {"searchTransactionHistory": search_history}
        at = 0
        while at < len(signatures):
            count = self._statuses_size.choose(len(signatures) - at, monotonic())
            chunk = list(signatures[at : at + count])
            try:
                parts.append(await self._read_statuses(chunk, options))
            except RequestRefused:
                if count == 1:
                    raise
                if count <= self._statuses_size.taken:
                    await self._read_statuses(chunk[:1], options)  # raises if it is the node
                self._statuses_size.refuse(count, monotonic())
            else:
                self._statuses_size.accept(count, monotonic())
                at += count
        return SignatureStatuses(
            min((part.slot for part in parts), default=0),
            [s for part in parts for s in part.entries],
        )

    async def _read_statuses(self, signatures: list[str], options: Json) -> SignatureStatuses:
        reader = partial(read_statuses, expected=len(signatures))
        return await self.read("getSignatureStatuses", [signatures, options], reader)

    async def get_transactions(
        self, signatures: Sequence[str]
    ) -> list[LandedTransaction | EngineError | None]:
        """Fetch landed transactions: ``None`` where no block contains one, or the error for it."""
        options = {
            "encoding": _ENCODING,
            "commitment": Commitment.CONFIRMED,
            "maxSupportedTransactionVersion": 1,
        }
        calls = [[signature, options] for signature in signatures]
        answers = await self._arrays.request("getTransaction", calls, FETCH_BATCH_MAX)
        return list(map(parse_transaction, answers, signatures))

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
        calls = [[_encode_base64(wire), options] for wire in wires]
        answers = await self._arrays.request("sendTransaction", calls, SEND_BATCH_MAX)
        return list(map(parse_send_result, answers, wires))

    async def walk_histories(self, walk: Callable[[RpcClient], Awaitable[Value]]) -> list[Value]:
        """What a walk through the history finds, once for each node that is asked."""
        return [await walk(self)]

    async def read(self, method: str, params: list[Json], reader: Callable[[Json], Value]) -> Value:
        """The result of a call that reads. Raises ``Transient`` or ``Rejected``."""
        call = {"jsonrpc": "2.0", "id": 0, "method": method, "params": params}
        response = await self._transport.exchange(method, call)
        return parse_result(response, reader)


def _encode_base64(wire: bytes) -> str:
    return b64encode(wire).decode()
