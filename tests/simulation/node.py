"""The node of the modelled chain, as a simulated process reaches it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from backend.chain.rpc_errors import ReadFailed, unanswered
from backend.chain.rpc_results import Blockhash, Landed, Simulation, Statuses, Tip, TokenBalance
from backend.chain.wallet import paper_wallet
from backend.chain.wire import Commitment
from backend.domain.errors import EngineError
from backend.domain.tokens import JUP
from tests.simulation.chain import Chain, Landing
from tests.simulation.network import Answer, Way, Weather

PATIENCE_S = 2.0
WALLET = paper_wallet()


@dataclass(slots=True)
class Load:
    """How often the node has no time for a request.

    Behind its address may be another node, for a part of the requests, that has ``stalled`` at some
    time and has seen nothing since.
    """

    busy: float = 0.0
    stalled: float = 0.0
    stalled_at: float = 0.0


class Node:
    """One process's way to the chain: the calls of ``Rpc`` that driving an order takes."""

    def __init__(
        self,
        chain: Chain,
        weather: Weather,
        load: Load,
        random: Random,
        now: Callable[[], float],
    ) -> None:
        self.way = Way(weather, random, _gone, patience_s=PATIENCE_S)
        self._chain = chain
        self._load = load
        self._random = random
        self._now = now

    async def get_latest_blockhash(self) -> Blockhash:
        return await self._ask(lambda: self._chain.blockhash(self._now()))

    async def get_epoch_info(self, commitment: Commitment) -> Tip:
        def look(now: float) -> Tip:
            height = self._chain.height(now, commitment)
            return Tip(height, height)

        return await self._ask(lambda: look(self._seen_s()))

    async def simulate_transaction(self, wire: bytes) -> Simulation:
        err = "BlockhashNotFound" if self._random.random() < self._chain.mood.reverted else None
        slot = self._chain.height(self._now())
        return await self._ask(lambda: Simulation(err, (), None, slot))

    async def get_signature_statuses(
        self, signatures: Sequence[str], *, search_history: bool = False
    ) -> Statuses:
        def look() -> Statuses:
            now = self._seen_s()
            found = [self._chain.status(now, each, search=search_history) for each in signatures]
            return Statuses(self._chain.height(now), found)

        return await self._ask(look)

    async def get_transactions(
        self, signatures: Sequence[str]
    ) -> list[Landed | EngineError | None]:
        try:
            return await self._ask(lambda: [self._landed(each) for each in signatures])
        except ReadFailed as failure:
            return [failure] * len(signatures)

    async def send_transactions(self, wires: Sequence[bytes]) -> list[str | EngineError]:
        def take() -> list[str | EngineError]:
            return [self._chain.send(self._now(), wire).signature for wire in wires]

        try:
            return await self._ask(take)
        except ReadFailed as failure:
            return [unanswered(failure)] * len(wires)

    def _seen_s(self) -> float:
        """The time up to which the node that answers this request has seen the chain."""
        is_stalled = self._random.random() < self._load.stalled
        return self._load.stalled_at if is_stalled else self._now()

    async def _ask(self, serve: Callable[[], Answer]) -> Answer:
        def attend() -> Answer:
            if self._random.random() < self._load.busy:
                raise ReadFailed("rate_limited", "the node answers 429")
            return serve()

        return await self.way.ask(attend)

    def _landed(self, signature: str) -> Landed | None:
        landing = self._chain.landing(self._now(), signature, search=True)
        if landing is None:
            return None
        if self._chain.commitment(self._now(), landing) is Commitment.PROCESSED:
            return None
        return _as_landed(landing)


def _gone() -> ReadFailed:
    return ReadFailed("node_timeout", "no answer")


def _as_landed(landing: Landing) -> Landed:
    received = landing.amount_out if landing.err is None else 0
    return Landed(
        slot=landing.height,
        err=landing.err,
        fee_lamports=5_000,
        logs=(),
        units=None,
        lamports_before=(),
        lamports_after=(),
        tokens_before={1: _balance(7)},
        tokens_after={1: _balance(7 + received)},
        wire=landing.transaction.wire,
    )


def _balance(amount: int) -> TokenBalance:
    return TokenBalance(JUP.mint, str(WALLET.address), amount)
