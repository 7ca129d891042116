"""What a node may refuse, and a call of each that shows whether it does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from typing import Any, Final

import aiohttp
import orjson
from solders.hash import Hash
from solders.instruction import Instruction
from solders.message import MessageV0, to_bytes_versioned
from solders.pubkey import Pubkey

from backend.chain.rpc.client import RpcClient
from backend.chain.rpc.history import has_history
from backend.chain.subscriptions.blocks import list_block_params
from backend.chain.subscriptions.subscription import (
    Subscription,
    SubscriptionKind,
    encode_subscribe,
)
from backend.domain.errors import EngineError
from backend.routing.pool_finder import list_no_pools
from backend.venues import Venues
from backend.venues.program_ids import MAINNET_PROGRAM_IDS
from backend.venues.spl import CLOCK_SYSVAR, MEMO_PROGRAM

SUBSCRIBED_S_MAX: Final = 5.0
"""How long a node may take to make subscriptions, and to tell its first slot."""
_PAYER: Final = Pubkey(bytes([7] * 32))
_UNKNOWN_SIGNATURE: Final = "1" * 64
"""In base58 the signature of no transaction: 64 zeros."""
_PROBED: Final = Venues(MAINNET_PROGRAM_IDS).damm_v2
"""A program that has the same address on every cluster."""
_FILTERS: Final = {"encoding": "base64", "commitment": "confirmed", "filters": [{"dataSize": 1}]}


class Ability(StrEnum):
    """What a node may refuse, by the names of its methods."""

    ARRAYS = "JSON-RPC arrays"
    HISTORY = "getTransaction"
    LISTING = "getProgramAccounts"
    FEES = "getRecentPrioritizationFees"
    SIMULATION = "simulateTransaction"
    SUBSCRIPTIONS = "subscriptions"
    BLOCKS = "blockSubscribe"


async def find_refusals(client: RpcClient, socket_url: str | None) -> dict[Ability, str]:
    """Find what a node refuses, with the reason of each; one call follows the other."""
    refusals = {}
    for ability, probe in _PROBES.items():
        try:
            reason = await probe(client)
        except EngineError as error:
            reason = error.reason
        if reason:
            refusals[ability] = reason
    return refusals | await _probe_subscriptions(socket_url)


async def _probe_arrays(client: RpcClient) -> str:
    return "" if await client.takes_arrays() else "only single calls are answered"


async def _probe_history(client: RpcClient) -> str:
    return "" if await has_history(client) else "the node keeps no history of transactions"


async def _probe_listing(client: RpcClient) -> str:
    await list_no_pools(_PROBED, client)
    return ""


async def _probe_fees(client: RpcClient) -> str:
    await client.get_recent_prioritization_fees([])
    return ""


async def _probe_simulation(client: RpcClient) -> str:
    """Simulate what can never land; that its simulation fails is an answer, too."""
    memo = Instruction(MEMO_PROGRAM, b"examination", [])
    message = MessageV0.try_compile(_PAYER, [memo], [], Hash.default())
    await client.simulate_transaction(b"\x01" + bytes(64) + to_bytes_versioned(message))
    return ""


_PROBES: Final[Mapping[Ability, Callable[[RpcClient], Awaitable[str]]]] = {
    Ability.ARRAYS: _probe_arrays,
    Ability.HISTORY: _probe_history,
    Ability.LISTING: _probe_listing,
    Ability.FEES: _probe_fees,
    Ability.SIMULATION: _probe_simulation,
}


def _ignore(_: Any) -> None:
    """Do nothing."""


def _list_subscriptions() -> list[Subscription]:
    """One subscription of each kind that the engine makes."""
    params = {
        SubscriptionKind.SLOT: [],
        SubscriptionKind.ACCOUNT: [str(CLOCK_SYSVAR), {"encoding": "base64"}],
        SubscriptionKind.SIGNATURE: [_UNKNOWN_SIGNATURE, {"commitment": "confirmed"}],
        SubscriptionKind.PROGRAM: [str(_PROBED.program), _FILTERS],
        SubscriptionKind.BLOCK: list_block_params(_PAYER),
    }
    return [Subscription(kind, each, _ignore) for kind, each in params.items()]


async def _probe_subscriptions(url: str | None) -> dict[Ability, str]:
    """What of subscriptions a node refuses. No reason names its address, which may hold a key."""
    refused: set[str] = set()
    if reason := await _find_refused_kinds(url, refused):
        return dict.fromkeys((Ability.SUBSCRIPTIONS, Ability.BLOCKS), reason)
    refusals = {}
    if SubscriptionKind.BLOCK.value in refused:
        refused.remove(SubscriptionKind.BLOCK.value)
        refusals[Ability.BLOCKS] = "the node does not tell blocks"
    if refused:
        refusals[Ability.SUBSCRIPTIONS] = f"refused for {', '.join(sorted(refused))}"
    return refusals


async def _find_refused_kinds(url: str | None, refused: set[str]) -> str:
    """Add the kinds of subscriptions that a node refuses; returns why it could not be asked."""
    if url is None:
        return "off, or no address of a WebSocket follows from the node's"
    wanted = _list_subscriptions()
    missing = [each.kind.value for each in wanted]
    try:
        async with (
            asyncio.timeout(SUBSCRIBED_S_MAX),
            aiohttp.ClientSession() as session,
            session.ws_connect(url) as socket,
        ):
            for number, each in enumerate(wanted):
                await socket.send_str(encode_subscribe(each, number))
            has_slot = False
            while missing or not (has_slot or SubscriptionKind.SLOT.value in refused):
                frame = orjson.loads(await socket.receive_str())
                has_slot |= frame.get("method") == "slotNotification"
                if frame.get("id") in range(len(wanted)):
                    kind = wanted[frame["id"]].kind.value
                    missing.remove(kind)
                    if frame.get("error") is not None:
                        refused.add(kind)
    except TimeoutError:
        what = "tells no slot" if not missing else "does not answer"
        return f"the node {what} within {SUBSCRIBED_S_MAX:g} s"
    except (aiohttp.ClientError, OSError, TypeError, ValueError, AttributeError) as error:
        return f"no WebSocket can be used ({type(error).__name__})"
    return ""
