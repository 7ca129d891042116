"""Telling the node what to do to its clients, and asking it what really happened.

None of this exists on a real node. Requests and answers are JSON; what cannot be done is
answered 400 with a sentence, what is not there 404.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Annotated, Final, Literal, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from solders.pubkey import Pubkey

from backend.chain.wire import Commitment
from backend.domain.amounts import Token
from backend.domain.quotes import Dex
from backend.domain.tokens import SOL
from backend.simulator.faults import (
    FAULT,
    MoveBps,
    MovedPrice,
    Pair,
    TokenName,
    token_of,
    tokens_of,
)
from backend.simulator.node import Node
from backend.simulator.programs import token
from backend.simulator.wire.paper_wallet import PAPER_WALLET
from backend.simulator.wire.transaction_parser import parse
from backend.venues.spl import SYSTEM_PROGRAM, ata, token_account
from backend.venues.venue import Account

_PAGE_MAX: Final = 10_000
_GIFT_MAX: Final = 2**62
"""What one account may be given: more would not fit the columns of the ledger."""
_BLOCKS_MAX: Final = 1_000_000

Answer = Mapping[str, object]


class _Order(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Price(_Order):
    """Move the price of the first of a pair in the second, for good or for the next swaps."""

    pair: Pair
    bps: MoveBps
    venue: Dex | None = None
    when: Literal["now", "before_swaps"] = "now"
    count: Annotated[int, Field(ge=1, le=1_000_000)] = 1


class _Fund(_Order):
    """Give base units of a token to an owner."""

    owner: str
    token: TokenName
    amount: Annotated[int, Field(ge=1, le=_GIFT_MAX)]


class _Advance(_Order):
    blocks: Annotated[int, Field(ge=1, le=_BLOCKS_MAX)]


class _Fork(_Order):
    """Forget the last blocks; their transactions land again, or never were sent."""

    blocks: Annotated[int, Field(ge=1, le=_BLOCKS_MAX)]
    reland: bool = False


class _Page(_Order):
    after: Annotated[int, Field(ge=0)] = 0
    limit: Annotated[int, Field(ge=1, le=_PAGE_MAX)] = 1_000


Model = TypeVar("Model", bound=BaseModel)


class _Wrong(Exception):
    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Control:
    """The orders that one node takes, by method and path."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._routes: Mapping[tuple[str, str], Callable[[web.BaseRequest, bytes], Answer]] = {
            ("GET", "state"): lambda _request, _body: self.state(),
            ("GET", "totals"): lambda _request, _body: node.chain.ledger.totals(),
            ("GET", "ledger"): self._ledger,
            ("GET", "faults"): lambda _request, _body: {"faults": node.faults.listed()},
            ("POST", "faults"): self._arm,
            ("DELETE", "faults"): self._clear,
            ("POST", "price"): self._price,
            ("POST", "fund"): self._fund,
            ("POST", "advance"): self._advance,
            ("POST", "fork"): self._fork,
            ("POST", "halt"): self._halt,
            ("POST", "resume"): self._resume,
        }

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request under ``/control``."""
        body = await request.read()
        try:
            content = self._do(request, body)
        except _Wrong as wrong:
            return web.json_response({"error": str(wrong)}, status=wrong.status)
        except (ValidationError, ValueError) as error:
            return web.json_response({"error": _sentence(error)}, status=400)
        return web.json_response(content)

    def state(self) -> Answer:
        """Where the chain is and how it was set up."""
        chain, options = self._node.chain, self._node.options
        slot = chain.clock.slot()
        return {
            "slot": slot,
            "height": chain.clock.height(slot),
            "confirmedSlot": chain.slot_at(Commitment.CONFIRMED),
            "finalizedSlot": chain.slot_at(Commitment.FINALIZED),
            "isHalted": chain.clock.course.halted_at is not None,
            "pending": len(self._node.blocks.mempool),
            "faults": len(self._node.faults.listed()),
            "wallet": str(PAPER_WALLET.pubkey()),
            "profile": options.profile,
            "seed": options.seed,
            "wander": options.wander,
        }

    def _do(self, request: web.BaseRequest, body: bytes) -> Answer:
        name, _, rest = request.path.removeprefix("/control/").partition("/")
        if rest and (request.method, name) == ("GET", "ledger"):
            return self._entry(rest)
        if rest and (request.method, name) == ("DELETE", "faults"):
            return self._end(rest)
        route = self._routes.get((request.method, name))
        if route is None or rest:
            raise _Wrong(404, f"there is no {request.method} {request.path}")
        return route(request, body)

    def _arm(self, _request: web.BaseRequest, body: bytes) -> Answer:
        return {"id": self._node.faults.arm(FAULT.validate_json(body))}

    def _end(self, number: str) -> Answer:
        if not number.isdecimal() or not self._node.faults.end(int(number)):
            raise _Wrong(404, "there is no such fault")
        return {}

    def _clear(self, _request: web.BaseRequest, _body: bytes) -> Answer:
        self._node.faults.clear()
        return {}

    def _price(self, _request: web.BaseRequest, body: bytes) -> Answer:
        order = _read(_Price, body)
        if order.when == "before_swaps":
            fault = MovedPrice(
                fault="moved_price",
                pair=order.pair,
                venue=order.venue,
                bps=order.bps,
                count=order.count,
            )
            return {"id": self._node.faults.arm(fault)}
        base, quote = tokens_of(order.pair)
        return {"pools": self._node.chain.move_price(base, quote, order.venue, order.bps)}

    def _fund(self, _request: web.BaseRequest, body: bytes) -> Answer:
        order = _read(_Fund, body)
        try:
            owner = Pubkey.from_string(order.owner)
        except ValueError:
            raise _Wrong(400, "owner: is not an address in base58") from None
        key, account = self._gift(owner, token_of(order.token), order.amount)
        if not self._node.chain.is_stored(key):
            raise _Wrong(400, "owner: that account belongs to the chain itself")
        self._node.chain.put({key: account})
        return {"account": str(key)}

    def _gift(self, owner: Pubkey, what: Token, amount: int) -> tuple[Pubkey, Account]:
        key, mint = owner, Pubkey.from_string(what.mint)
        if what != SOL:
            key = ata(owner, mint)
        account = self._node.chain.account(key) or (
            Account(SYSTEM_PROGRAM, 0, b"") if what == SOL else token_account(mint, owner, 0)
        )
        held = account.lamports if what == SOL else token.amount_of(account)
        if held + amount > _GIFT_MAX:
            raise _Wrong(400, f"amount: an account may not hold more than {_GIFT_MAX}")
        if what == SOL:
            return key, replace(account, lamports=held + amount)
        return key, token.with_amount(account, held + amount)

    def _advance(self, _request: web.BaseRequest, body: bytes) -> Answer:
        self._node.chain.clock.skip(_read(_Advance, body).blocks)
        return self._course_changed()

    def _halt(self, _request: web.BaseRequest, _body: bytes) -> Answer:
        self._node.chain.clock.halt()
        return self._course_changed()

    def _resume(self, _request: web.BaseRequest, _body: bytes) -> Answer:
        self._node.chain.clock.resume()
        return self._course_changed()

    def _fork(self, _request: web.BaseRequest, body: bytes) -> Answer:
        order = _read(_Fork, body)
        wires = self._node.chain.forget(order.blocks)
        if order.reland:
            now = self._node.chain.clock.time()
            for wire in wires:
                self._node.blocks.enqueue(parse(wire), self._node.chain.clock.next_slot_at(now))
        return {"forgotten": len(wires), **self._course_changed()}

    def _course_changed(self) -> Answer:
        self._node.chain.remember_course()
        self._node.blocks.wake()
        return self.state()

    def _ledger(self, request: web.BaseRequest, _body: bytes) -> Answer:
        page = _Page.model_validate(dict(request.query))
        entries = self._node.chain.ledger.entries(page.after, page.limit)
        return {
            "transactions": [asdict(entry) for entry in entries],
            "next": entries[-1].number if entries else page.after,
        }

    def _entry(self, signature: str) -> Answer:
        entry = self._node.chain.ledger.entry(signature)
        if entry is None:
            raise _Wrong(404, "no block has this signature")
        return asdict(entry)


def _read(model: type[Model], body: bytes) -> Model:
    return model.model_validate_json(body)


def _sentence(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(
        f"{'.'.join(map(str, problem['loc'])) or 'body'}: {problem['msg']}" for problem in problems
    )
