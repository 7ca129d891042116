"""A simulated node for one test, and words for trading on it over real HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import aiohttp
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.message import MessageV0, to_bytes_versioned
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from backend.chain.outcomes import fill
from backend.chain.rpc_client import Rpc
from backend.chain.rpc_results import Landed, SignatureStatus
from backend.chain.transactions import Budget, Swap, build, token_address, wrap_seed
from backend.chain.wallet import Wallet, paper_wallet
from backend.config import Profile
from backend.domain.amounts import Token
from backend.domain.orders import Fill, Signed
from backend.domain.tokens import SOL, USDC
from backend.simulator.options import SimulatedOptions
from backend.venues import CPMM
from backend.venues.hosting import HostedVenue
from backend.venues.spl import TOKEN_ACCOUNT
from backend.venues.venue import Account, Pool
from tests.scenario import running_node

Json = Any
Value = TypeVar("Value")
DEADLINE_S = 30

STILL = SimulatedOptions(profile=Profile.INSTANT, wander=False, slot_s=60)
"""Prices stand still, and a slot outlasts a test: nothing is brought back to its price."""


def mint(token: Token) -> Pubkey:
    return Pubkey.from_string(token.mint)


@dataclass(slots=True)
class Market:
    """What a test asks of one node."""

    rpc: Rpc
    http: aiohttp.ClientSession
    wallet: Wallet = field(default_factory=paper_wallet)
    built: int = 0

    async def call(self, method: str, *params: Json) -> Json:
        """The whole answer to one call, error or not."""
        body = {"jsonrpc": "2.0", "id": 7, "method": method, "params": list(params)}
        async with self.http.post("/", json=body) as response:
            assert response.status == 200
            return await response.json()

    async def control(self, path: str, body: Json = None, *, method: str | None = None) -> Json:
        """The answer to a control request that must be taken."""
        method = method or ("GET" if body is None else "POST")
        async with self.http.request(method, f"/control/{path}", json=body) as response:
            answer = await response.json()
            assert response.status == 200, answer
            return answer

    async def fault(self, **fault: Json) -> int:
        number: int = (await self.control("faults", fault))["id"]
        return number

    async def entries(self) -> list[Json]:
        entries: list[Json] = (await self.control("ledger"))["transactions"]
        return entries

    async def pool(self, venue: HostedVenue = CPMM, a: Token = SOL, b: Token = USDC) -> Pool:
        """A pool as the node's accounts have it."""
        address = venue.pool_address(mint(a), mint(b))
        _, [account] = await self.rpc.get_multiple_accounts([address])
        assert account is not None
        keys = list(venue.accounts_of(address, account))
        slot, accounts = await self.rpc.get_multiple_accounts(keys)
        return venue.decode(address, dict(zip(keys, accounts, strict=True)), slot)

    async def signed(
        self,
        amount_in: int = 10**9,
        *,
        venue: HostedVenue = CPMM,
        pair: tuple[Token, Token] = (SOL, USDC),
        min_out: int = 1,
        wallet: Wallet | None = None,
    ) -> Signed:
        """A swap, ready to be sent."""
        self.built += 1
        pool = await self.pool(venue, *pair)
        seed = wrap_seed(UUID(int=self.built), 1)
        swap = Swap(pool, mint(pair[0]), mint(pair[1]), amount_in, min_out, seed)
        recent = await self.rpc.get_latest_blockhash()
        return build(swap, wallet or self.wallet, recent, Budget())

    async def send(self, signed: Signed) -> None:
        """Send a transaction that the node must accept."""
        assert await self.rpc.send_transactions([signed.wire]) == [signed.signature]

    async def status(self, signature: str) -> SignatureStatus | None:
        [status] = (await self.rpc.get_signature_statuses([signature])).found
        return status

    async def settled(self, signature: str) -> SignatureStatus:
        """Wait until a block has the signature."""
        return await until(lambda: self.status(signature))

    async def landed_soon(self, signed: Signed) -> None:
        """Send a transaction and wait until a block has it, confirmed or not."""
        await self.send(signed)
        await self.settled(signed.signature)

    async def landed(self, signed: Signed) -> Landed:
        """Send a transaction and wait until it is in a block."""
        await self.send(signed)
        await self.settled(signed.signature)
        [landed] = await self.rpc.get_transactions([signed.signature])
        assert isinstance(landed, Landed)
        return landed

    async def filled(self, signed: Signed, token_out: Token) -> Fill:
        """Send a swap that must succeed; what it brought."""
        landed = await self.landed(signed)
        assert landed.err is None, landed.logs
        return fill(landed, self.wallet.address, mint(token_out))

    async def never_lands(self, signature: str) -> None:
        """Whatever was sent before is settled, and this is not among it."""
        later = await self.signed()
        await self.send(later)
        await self.settled(later.signature)
        assert await self.status(signature) is None
        assert signature not in {entry["signature"] for entry in await self.entries()}

    async def executed(self, *instructions: Instruction, wallet: Wallet | None = None) -> Landed:
        """Execute instructions of any kind; the transaction as its block has it."""
        wallet = wallet or self.wallet
        recent = await self.rpc.get_latest_blockhash()
        message = MessageV0.try_compile(wallet.address, list(instructions), [], recent.hash)
        signature = wallet.sign(to_bytes_versioned(message))
        wire = bytes(VersionedTransaction.populate(message, [signature]))
        return await self.landed(Signed(str(signature), wire, recent.last_valid_height))

    async def trader(self, sol: int = 10**9, **tokens: int) -> Wallet:
        """Somebody else, with some lamports and base units of tokens."""
        wallet = Wallet(Keypair.from_seed(bytes([7, self.built % 256] + [1] * 30)))
        self.built += 1
        if sol:
            await self.fund(wallet, "SOL", sol)
        for symbol, amount in tokens.items():
            await self.fund(wallet, symbol, amount)
        return wallet

    async def fund(self, wallet: Wallet, symbol: str, amount: int) -> None:
        gift = {"owner": str(wallet.address), "token": symbol, "amount": amount}
        await self.control("fund", gift)

    async def account(self, key: Pubkey) -> Account | None:
        _, [account] = await self.rpc.get_multiple_accounts([key])
        return account

    async def held(self, token: Token, wallet: Wallet | None = None) -> int:
        """What a wallet holds of a token."""
        owner = (wallet or self.wallet).address
        if token == SOL:
            return await self.rpc.get_balance(owner)
        account = await self.account(token_address(owner, mint(token)))
        return 0 if account is None else TOKEN_ACCOUNT.read(account.data).amount


async def until(ask: Callable[[], Awaitable[Value | None]]) -> Value:
    """Ask until there is an answer."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            answer = await ask()
            if answer is not None:
                return answer
            await asyncio.sleep(0.002)


@asynccontextmanager
async def market(
    data_dir: Path, options: SimulatedOptions = STILL, *, timeout_s: float = 10, **changes: Json
) -> AsyncIterator[Market]:
    """A node with these options and a client of it."""
    async with (
        running_node(data_dir, replace(options, **changes)) as url,
        Rpc(url, timeout_s=timeout_s) as rpc,
        aiohttp.ClientSession(url) as http,
    ):
        yield Market(rpc, http)


def refusal(landed: Landed) -> object:
    """The error of the instruction that failed."""
    assert isinstance(landed.err, dict)
    return landed.err["InstructionError"][1]
