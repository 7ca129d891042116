"""A simulated node for one test, and a client that trades on it over real HTTP."""

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

from backend.chain.compute_budget import ComputeBudget
from backend.chain.outcomes import Fill, read_fill
from backend.chain.rpc.client import RpcClient
from backend.chain.rpc.results import LandedTransaction, SignatureStatus
from backend.chain.token_accounts import derive_token_address
from backend.chain.transactions import (
    SwapLeg,
    SwapParameters,
    build_swap,
    derive_wrap_seed,
)
from backend.chain.wallet import Wallet, create_paper_wallet
from backend.config import Profile
from backend.domain.amounts import Token
from backend.domain.orders import SignedTransaction
from backend.domain.tokens import SOL, USDC
from backend.simulator.options import SimulatorOptions
from backend.venues import CPMM
from backend.venues.hosting import HostedVenue
from backend.venues.spl import TOKEN_ACCOUNT
from backend.venues.venue import Account, Pool
from tests.scenario import run_node

Json = Any
ValueT = TypeVar("ValueT")
WAIT_TIMEOUT_S = 30

STATIC_PRICES = SimulatorOptions(profile=Profile.INSTANT, has_moving_prices=False, slot_s=60)
"""Prices are constant and a slot outlasts a test, so no pool is reset to its market price."""


def mint_address(token: Token) -> Pubkey:
    return Pubkey.from_string(token.mint)


@dataclass(slots=True)
class SimulatorClient:
    """A client of one node: its RPC, its control interface and a wallet."""

    rpc: RpcClient
    http: aiohttp.ClientSession
    wallet: Wallet = field(default_factory=create_paper_wallet)
    built_count: int = 0

    async def call_rpc(self, method: str, *params: Json) -> Json:
        """The complete response to one call, result or error."""
        body = {"jsonrpc": "2.0", "id": 7, "method": method, "params": list(params)}
        async with self.http.post("/", json=body) as response:
            assert response.status == 200
            return await response.json()

    async def call_control(
        self, path: str, body: Json = None, *, method: str | None = None
    ) -> Json:
        """The response to a control request that must succeed."""
        method = method or ("GET" if body is None else "POST")
        async with self.http.request(method, f"/control/{path}", json=body) as response:
            content = await response.json()
            assert response.status == 200, content
            return content

    async def arm_fault(self, **fault: Json) -> int:
        fault_id: int = (await self.call_control("faults", fault))["id"]
        return fault_id

    async def list_entries(self) -> list[Json]:
        entries: list[Json] = (await self.call_control("ledger"))["transactions"]
        return entries

    async def read_pool(self, venue: HostedVenue = CPMM, a: Token = SOL, b: Token = USDC) -> Pool:
        """A pool, decoded from the accounts of the node."""
        address = venue.derive_pool_address(mint_address(a), mint_address(b))
        _, [account] = await self.rpc.get_multiple_accounts([address])
        assert account is not None
        keys = list(venue.list_accounts(address, account))
        slot, accounts = await self.rpc.get_multiple_accounts(keys)
        return venue.decode_pool(address, dict(zip(keys, accounts, strict=True)), slot)

    async def build_swap(
        self,
        amount_in: int = 10**9,
        *,
        venue: HostedVenue = CPMM,
        pair: tuple[Token, Token] = (SOL, USDC),
        min_out: int = 1,
        wallet: Wallet | None = None,
    ) -> SignedTransaction:
        """A signed swap transaction."""
        self.built_count += 1
        pool = await self.read_pool(venue, *pair)
        seed = derive_wrap_seed(UUID(int=self.built_count), 1)
        swap = SwapParameters(
            [SwapLeg(pool, amount_in, min_out)], mint_address(pair[0]), mint_address(pair[1]), seed
        )
        recent = await self.rpc.get_latest_blockhash()
        wallet = wallet or self.wallet
        return build_swap(swap, wallet.address, recent, ComputeBudget()).sign(wallet)

    async def send(self, transaction: SignedTransaction) -> None:
        """Send a transaction that the node must accept."""
        assert await self.rpc.send_transactions([transaction.wire]) == [transaction.signature]

    async def read_status(self, signature: str) -> SignatureStatus | None:
        [status] = (await self.rpc.get_signature_statuses([signature])).entries
        return status

    async def wait_until_landed(self, signature: str) -> SignatureStatus:
        """Wait until the signature is in a block."""
        return await poll_until(lambda: self.read_status(signature))

    async def send_and_wait(self, transaction: SignedTransaction) -> None:
        """Send a transaction and wait until it is in a block, confirmed or not."""
        await self.send(transaction)
        await self.wait_until_landed(transaction.signature)

    async def land(self, transaction: SignedTransaction) -> LandedTransaction:
        """Send a transaction, wait until it is in a block, and read it back."""
        await self.send(transaction)
        await self.wait_until_landed(transaction.signature)
        [landed] = await self.rpc.get_transactions([transaction.signature])
        assert isinstance(landed, LandedTransaction)
        return landed

    async def land_swap(self, transaction: SignedTransaction, token_out: Token) -> Fill:
        """Send a swap that must succeed. Returns its fill."""
        landed = await self.land(transaction)
        assert landed.err is None, landed.logs
        token_in = USDC if token_out == SOL else SOL
        mints = mint_address(token_in), mint_address(token_out)
        return read_fill(landed, self.wallet.address, *mints)

    async def assert_never_lands(self, signature: str) -> None:
        """Wait until everything sent before has landed or failed; the signature has not landed."""
        later = await self.build_swap()
        await self.send(later)
        await self.wait_until_landed(later.signature)
        assert await self.read_status(signature) is None
        assert signature not in {entry["signature"] for entry in await self.list_entries()}

    async def land_instructions(
        self, *instructions: Instruction, wallet: Wallet | None = None
    ) -> LandedTransaction:
        """Send arbitrary instructions in one transaction and read it back from its block."""
        wallet = wallet or self.wallet
        recent = await self.rpc.get_latest_blockhash()
        message = MessageV0.try_compile(wallet.address, list(instructions), [], recent.hash)
        signature = wallet.sign(to_bytes_versioned(message))
        wire = bytes(VersionedTransaction.populate(message, [signature]))
        return await self.land(SignedTransaction(str(signature), wire, recent.last_valid_height))

    async def create_wallet(self, sol: int = 10**9, **tokens: int) -> Wallet:
        """Another wallet, funded with lamports and base units of tokens."""
        wallet = Wallet(Keypair.from_seed(bytes([7, self.built_count % 256] + [1] * 30)))
        self.built_count += 1
        if sol:
            await self.fund_wallet(wallet, "SOL", sol)
        for symbol, amount in tokens.items():
            await self.fund_wallet(wallet, symbol, amount)
        return wallet

    async def fund_wallet(self, wallet: Wallet, symbol: str, amount: int) -> None:
        request = {"owner": str(wallet.address), "token": symbol, "amount": amount}
        await self.call_control("fund", request)

    async def read_account(self, key: Pubkey) -> Account | None:
        _, [account] = await self.rpc.get_multiple_accounts([key])
        return account

    async def read_balance(self, token: Token, wallet: Wallet | None = None) -> int:
        """The balance of a wallet in a token."""
        owner = (wallet or self.wallet).address
        if token == SOL:
            return await self.rpc.get_balance(owner)
        account = await self.read_account(derive_token_address(owner, mint_address(token)))
        return 0 if account is None else TOKEN_ACCOUNT.read(account.data).amount


async def poll_until(poll: Callable[[], Awaitable[ValueT | None]]) -> ValueT:
    """Call ``poll`` until it returns a value."""
    async with asyncio.timeout(WAIT_TIMEOUT_S):
        while True:
            value = await poll()
            if value is not None:
                return value
            await asyncio.sleep(0.002)


@asynccontextmanager
async def open_simulator(
    data_dir: Path,
    options: SimulatorOptions = STATIC_PRICES,
    *,
    timeout_s: float = 10,
    **changes: Json,
) -> AsyncIterator[SimulatorClient]:
    """Run a node with these options. Yields a client of it."""
    async with (
        run_node(data_dir, replace(options, **changes)) as url,
        RpcClient(url, timeout_s=timeout_s) as rpc,
        aiohttp.ClientSession(url) as http,
    ):
        yield SimulatorClient(rpc, http)


def read_instruction_error(landed: LandedTransaction) -> object:
    """The error of the instruction that failed."""
    assert isinstance(landed.err, dict)
    return landed.err["InstructionError"][1]
