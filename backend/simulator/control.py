"""The control interface of the node: inject faults, control the chain and read its ledger.

No real node has it. Requests and responses are JSON; an invalid request gets status 400 with a
sentence, an unknown path or resource 404.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeVar
from urllib.parse import urlsplit

from aiohttp import web
from pydantic import BaseModel, ValidationError
from solders.pubkey import Pubkey

from backend.chain.wire import Commitment
from backend.domain.amounts import Token
from backend.domain.tokens import SOL
from backend.simulator.chain.genesis import PAPER_WALLET
from backend.simulator.control_requests import (
    BALANCE_MAX,
    AdvanceRequest,
    CongestionRequest,
    ForkRequest,
    FundRequest,
    JsonObject,
    PageRequest,
    PayersRequest,
    PriceRequest,
)
from backend.simulator.fault_registry import FaultRegistry
from backend.simulator.faults import (
    ANSWER_FAULTS,
    FAULT_ADAPTER,
    PriceMove,
    find_token,
    resolve_pair,
)
from backend.simulator.launch_control import (
    AccountRequest,
    LaunchRequest,
    MintRequest,
    launch_mint,
    launch_pool,
    list_launches,
    replace_data,
)
from backend.simulator.node import SimulatorNode
from backend.simulator.programs import token
from backend.venues.spl import SYSTEM_PROGRAM, derive_ata, make_token_account
from backend.venues.venue import Account

_LOOPBACK_HOSTS: Final = frozenset({"127.0.0.1", "::1", "localhost"})

ModelT = TypeVar("ModelT", bound=BaseModel)


class _RequestRejected(Exception):
    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class ControlHandler:
    """Handles the control requests to one node, by method and path.

    Its ``faults`` are those of the chain, or its own ones if it is not the first of several.
    ``urls`` are the addresses of all nodes.
    """

    def __init__(self, node: SimulatorNode, faults: FaultRegistry, urls: Sequence[str]) -> None:
        self._node = node
        self._faults = faults
        self._urls = urls
        self._routes: Mapping[tuple[str, str], Callable[[web.BaseRequest, bytes], JsonObject]] = {
            ("GET", "state"): lambda _request, _body: self.state(),
            ("GET", "totals"): lambda _request, _body: node.chain.ledger.compute_totals(),
            ("GET", "ledger"): self._list_entries,
            ("GET", "faults"): lambda _request, _body: {"faults": faults.list_armed()},
            ("POST", "faults"): self._arm_fault,
            ("DELETE", "faults"): self._clear_faults,
            ("POST", "price"): self._move_price,
            ("POST", "fund"): self._fund_account,
            ("POST", "account"): self._replace_data,
            ("POST", "payers"): self._limit_payers,
            ("POST", "advance"): self._advance_blocks,
            ("POST", "congestion"): self._set_congestion,
            ("POST", "fork"): self._fork_chain,
            ("POST", "halt"): self._halt_chain,
            ("POST", "resume"): self._resume_chain,
            ("POST", "mint"): self._launch_mint,
            ("POST", "launch"): self._launch_pool,
            ("GET", "launches"): lambda _request, _body: list_launches(node.chain),
        }

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Handle a request under ``/control``; no page of another site may send one."""
        if _is_from_foreign_page(request.headers):
            reason = "pages of other sites may not control this node"
            return web.json_response({"error": reason}, status=403)
        body = await request.read()
        try:
            content = self._dispatch(request, body)
        except _RequestRejected as error:
            return web.json_response({"error": str(error)}, status=error.status)
        except (ValidationError, ValueError) as error:
            return web.json_response({"error": _format_error(error)}, status=400)
        return web.json_response(content)

    def state(self) -> JsonObject:
        """The state of the chain and its options."""
        chain, options = self._node.chain, self._node.options
        slot = chain.clock.slot()
        return {
            "slot": slot,
            "height": chain.clock.height(slot),
            "confirmedSlot": chain.slot_at(Commitment.CONFIRMED),
            "finalizedSlot": chain.slot_at(Commitment.FINALIZED),
            "isHalted": chain.clock.state.halted_at is not None,
            "pending": len(self._node.block_producer.mempool),
            "faults": len(self._faults.list_armed()),
            "nodes": self._urls,
            "subscriptions": len(self._node.publisher),
            "unitPrice": chain.inclusion_prices.get_price(slot),
            "wallet": str(PAPER_WALLET.pubkey()),
            "profile": options.profile,
            "seed": options.seed,
            "wander": options.has_moving_prices,
        }

    def _dispatch(self, request: web.BaseRequest, body: bytes) -> JsonObject:
        name, _, resource_id = request.path.removeprefix("/control/").partition("/")
        if resource_id and (request.method, name) == ("GET", "ledger"):
            return self._find_entry(resource_id)
        if resource_id and (request.method, name) == ("DELETE", "faults"):
            return self._disarm_fault(resource_id)
        route = self._routes.get((request.method, name))
        if route is None or resource_id:
            raise _RequestRejected(404, f"there is no {request.method} {request.path}")
        return route(request, body)

    def _arm_fault(self, _request: web.BaseRequest, body: bytes) -> JsonObject:
        fault = FAULT_ADAPTER.validate_json(body)
        if self._faults is not self._node.faults and not isinstance(fault, ANSWER_FAULTS):
            raise _RequestRejected(400, "fault: this one is the chain's: arm it at the first node")
        return {"id": self._faults.arm(fault)}

    def _disarm_fault(self, fault_id: str) -> JsonObject:
        if not fault_id.isdecimal() or not self._faults.disarm(int(fault_id)):
            raise _RequestRejected(404, "there is no such fault")
        return {}

    def _clear_faults(self, _request: web.BaseRequest, _body: bytes) -> JsonObject:
        self._faults.clear()
        return {}

    def _move_price(self, _request: web.BaseRequest, body: bytes) -> JsonObject:
        parameters = _parse_body(PriceRequest, body)
        if parameters.when == "before_swaps":
            fault = PriceMove(
                fault="moved_price",
                pair=parameters.pair,
                venue=parameters.venue,
                bps=parameters.bps,
                count=parameters.count,
            )
            return {"id": self._node.faults.arm(fault)}
        base, quote = resolve_pair(parameters.pair)
        return {"pools": self._node.chain.move_price(base, quote, parameters.venue, parameters.bps)}

    def _fund_account(self, _request: web.BaseRequest, body: bytes) -> JsonObject:
        parameters = _parse_body(FundRequest, body)
        try:
            owner = Pubkey.from_string(parameters.owner)
        except ValueError:
            raise _RequestRejected(400, "owner: is not an address in base58") from None
        key, account = self._build_funded_account(
            owner, find_token(parameters.token), parameters.amount
        )
        if not self._node.chain.is_mutable_account(key):
            raise _RequestRejected(400, "owner: that account belongs to the chain itself")
        self._node.chain.override_accounts({key: account})
        return {"account": str(key)}

    def _replace_data(self, _request: web.BaseRequest, body: bytes) -> JsonObject:
        return replace_data(self._node.chain, _parse_body(AccountRequest, body))

    def _build_funded_account(
        self, owner: Pubkey, funded_token: Token, amount: int
    ) -> tuple[Pubkey, Account]:
        key, mint = owner, Pubkey.from_string(funded_token.mint)
        if funded_token != SOL:
            key = derive_ata(owner, mint)
        account = self._node.chain.get_account(key) or (
            Account(SYSTEM_PROGRAM, 0, b"")
            if funded_token == SOL
            else make_token_account(mint, owner, 0)
        )
        balance = account.lamports if funded_token == SOL else token.read_amount(account)
        if balance + amount > BALANCE_MAX:
            raise _RequestRejected(400, f"amount: an account may not hold more than {BALANCE_MAX}")
        if funded_token == SOL:
            return key, replace(account, lamports=balance + amount)
        return key, token.with_amount(account, balance + amount)

    def _launch_mint(self, _request: web.BaseRequest, body: bytes) -> JsonObject:
        return launch_mint(self._node.chain, _parse_body(MintRequest, body))

    def _launch_pool(self, _request: web.BaseRequest, body: bytes) -> JsonObject:
        return launch_pool(self._node.chain, _parse_body(LaunchRequest, body))

    def _limit_payers(self, _request: web.BaseRequest, body: bytes) -> JsonObject:
        limit = _parse_body(PayersRequest, body).transactions_per_slot
        self._node.block_producer.payer_transactions_per_slot = limit
        return {}

    def _advance_blocks(self, _request: web.BaseRequest, body: bytes) -> JsonObject:
        parameters = _parse_body(AdvanceRequest, body)
        pairs = [resolve_pair(each.pair) for each in parameters.prices]
        self._node.chain.clock.skip_blocks(parameters.blocks)
        for (base, quote), each in zip(pairs, parameters.prices, strict=True):
            self._node.chain.move_price(base, quote, each.venue, each.bps)
        return self._save_clock_state()

    def _set_congestion(self, _request: web.BaseRequest, body: bytes) -> JsonObject:
        request, chain = _parse_body(CongestionRequest, body), self._node.chain
        slot = chain.clock.slot()
        chain.inclusion_prices.set_price(slot, request.unit_price, request.wander_bps)
        return self.state()

    def _halt_chain(self, _request: web.BaseRequest, _body: bytes) -> JsonObject:
        self._node.chain.clock.halt()
        return self._save_clock_state()

    def _resume_chain(self, _request: web.BaseRequest, _body: bytes) -> JsonObject:
        self._node.chain.clock.resume()
        return self._save_clock_state()

    def _fork_chain(self, _request: web.BaseRequest, body: bytes) -> JsonObject:
        parameters = _parse_body(ForkRequest, body)
        transactions = self._node.chain.roll_back(parameters.blocks)
        if parameters.reland:
            chain = self._node.chain
            due_at = chain.clock.next_slot_time(chain.clock.time())
            for wire in transactions:
                self._node.block_producer.enqueue(chain.parse_transaction(wire), due_at)
        return {"forgotten": len(transactions), **self._save_clock_state()}

    def _save_clock_state(self) -> JsonObject:
        self._node.chain.save_clock_state()
        self._node.block_producer.wake()
        return self.state()

    def _list_entries(self, request: web.BaseRequest, _body: bytes) -> JsonObject:
        page = PageRequest.model_validate(dict(request.query))
        entries = self._node.chain.ledger.list_entries(page.after, page.limit)
        return {
            "transactions": [entry.to_json() for entry in entries],
            "next": entries[-1].number if entries else page.after,
        }

    def _find_entry(self, signature: str) -> JsonObject:
        entry = self._node.chain.ledger.find_entry(signature)
        if entry is None:
            raise _RequestRejected(404, "no block has this signature")
        return entry.to_json()


def _is_from_foreign_page(headers: Mapping[str, str]) -> bool:
    """Whether a page sends the request that this node has not served, by what browsers add to it.

    A page's own address proves nothing where a name is resolved to this machine for the page's
    sake: only addresses of the loopback are believed.
    """
    origin, site = headers.get("Origin"), headers.get("Sec-Fetch-Site", "none")
    if origin is None and site == "none":
        return False
    host = headers.get("Host", "")
    is_own = origin in {None, f"http://{host}"} and site in {"none", "same-origin"}
    return not (is_own and urlsplit(f"//{host}").hostname in _LOOPBACK_HOSTS)


def _parse_body(model: type[ModelT], body: bytes) -> ModelT:
    return model.model_validate_json(body)


def _format_error(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(
        f"{'.'.join(map(str, problem['loc'])) or 'body'}: {problem['msg']}" for problem in problems
    )
