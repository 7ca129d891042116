"""What a node tells of the blocks of a wallet, as unreliable as it may be."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Callable, Sequence
from contextvars import Context
from random import Random
from typing import Any, Final

from backend.chain.rpc.results import LandedTransaction, TokenBalance
from backend.chain.subscriptions.subscription import Subscription
from backend.chain.wire import Commitment
from tests.simulation.model.chain import ChainModel, Landing
from tests.simulation.model.network import NetworkFaults
from tests.simulation.model.node import NodeFaults, to_landed_transaction

LOOK_S: Final = 0.1
LATE_MAX_S: Final = 5.0
LATENCY_MAX_S: Final = 0.02


class BlockNews:
    """One subscription's blocks, each once it is confirmed; a node without history reads none.

    One may be lost, doubled, late, or told as an error. Others have what never happened: a
    transaction with a signature of another, and bytes that nobody signed.
    """

    def __init__(
        self,
        subscription: Subscription,
        chain: ChainModel,
        network: NetworkFaults,
        node_faults: NodeFaults,
        random: Random,
        now: Callable[[], float],
    ) -> None:
        self._subscription = subscription
        self._chain = chain
        self._network = network
        self._random = random
        self._now = now
        self._node_faults = node_faults
        self._told = {each for each, landing in chain.landings.items() if self._is_told(landing)}

    def look(self) -> None:
        """Tell what was confirmed since the last look, and look again later."""
        if self._subscription.number is None or self._network.is_closed:
            return
        self._chain.advance(self._now())
        blocks: dict[int, list[Landing]] = {}
        for signature, landing in list(self._chain.landings.items()):
            if signature not in self._told and self._is_told(landing):
                self._told.add(signature)
                blocks.setdefault(landing.height, []).append(landing)
            elif signature not in self._told and self._random.random() < 0.05:
                self._tell(_build_result(landing.height, [self._falsify(landing)]), 0)
        for height, landings in sorted(blocks.items()):
            self._tell_block(height, landings)
        self._call_later(LOOK_S, self.look)

    def _is_told(self, landing: Landing) -> bool:
        now = self._now()
        is_confirmed = self._chain.commitment_of(now, landing) is not Commitment.PROCESSED
        return is_confirmed and now >= landing.visible_at

    def _tell_block(self, height: int, landings: Sequence[Landing]) -> None:
        result = _build_result(height, [_encode(to_landed_transaction(each)) for each in landings])
        chance = self._random.random()
        late_s = self._random.uniform(0, LATE_MAX_S if chance < 0.3 else LATENCY_MAX_S)
        if chance < 0.1:
            return  # lost
        if chance < 0.2 or self._node_faults.has_no_history:
            error = {"slot": height, "block": None, "err": "BlockStoreError"}
            result = {"context": {"slot": height}, "value": error}
        self._tell(result, late_s)
        if chance > 0.8:
            self._tell(result, late_s)

    def _falsify(self, landing: Landing) -> Any:
        """A transaction that is not confirmed, with the outcome that it does not have."""
        content = _encode(to_landed_transaction(landing))
        content["meta"]["err"] = "ProgramFailedToComplete" if landing.err is None else None
        wire = landing.transaction.wire
        content["transaction"][0] = b64encode(wire[:-1] + bytes([wire[-1] ^ 1])).decode()
        return content

    def _tell(self, result: Any, late_s: float) -> None:
        self._call_later(late_s, lambda: self._receive(result))

    def _receive(self, result: Any) -> None:
        is_open = self._subscription.number is not None
        if is_open and not self._network.is_down and not self._network.is_closed:
            self._subscription.receive(result)

    def _call_later(self, seconds: float, callback: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(seconds, callback, context=Context())


def _build_result(height: int, transactions: Sequence[Any]) -> Any:
    block = {"blockHeight": height, "transactions": transactions}
    value = {"slot": height, "block": block, "err": None}
    return {"context": {"slot": height}, "value": value}


def _encode(landed: LandedTransaction) -> Any:
    return {
        "meta": {
            "err": landed.err,
            "fee": landed.fee_lamports,
            "logMessages": list(landed.logs),
            "preBalances": list(landed.lamports_before),
            "postBalances": list(landed.lamports_after),
            "preTokenBalances": _encode_balances(landed.tokens_before),
            "postTokenBalances": _encode_balances(landed.tokens_after),
        },
        "transaction": [b64encode(landed.wire).decode(), "base64"],
    }


def _encode_balances(balances: Any) -> list[Any]:
    items: list[tuple[int, TokenBalance]] = list(balances.items())
    return [
        {
            "accountIndex": index,
            "mint": balance.mint,
            "owner": balance.owner,
            "uiTokenAmount": {"amount": str(balance.amount)},
        }
        for index, balance in items
    ]
