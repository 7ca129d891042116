"""One swap as one signed transaction, whole or not at all.

SOL is wrapped in a token account that only this transaction knows: it is created under a seed of
the order and closed at the end, so that orders of one wallet never share it, nothing is left
behind, and wrapped SOL that the wallet holds otherwise is not touched.

The same seed is in a memo: without it, equal orders signed with the same blockhash would be one
transaction, and one swap would answer for both.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2s
from typing import Final
from uuid import UUID

from solders.compute_budget import ID as COMPUTE_BUDGET
from solders.compute_budget import set_compute_unit_limit, set_compute_unit_price
from solders.instruction import AccountMeta, Instruction
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.system_program import CreateAccountWithSeedParams, create_account_with_seed

from backend.chain.rpc_results import Blockhash
from backend.chain.wallet import Wallet
from backend.domain.errors import Rejected
from backend.domain.orders import Signed
from backend.venues import VENUES
from backend.venues.layout import rent_exempt
from backend.venues.spl import (
    ATA_PROGRAM,
    MEMO_PROGRAM,
    NATIVE_MINT,
    SYSTEM_PROGRAM,
    TOKEN_PROGRAM,
    TOKEN_PROGRAMS,
    ata,
)
from backend.venues.venue import Pool, Trader

WIRE_BYTES_MAX: Final = 1_232
"""The largest transaction that fits a packet."""

_PROGRAMS: Final = TOKEN_PROGRAMS | {
    COMPUTE_BUDGET,
    SYSTEM_PROGRAM,
    ATA_PROGRAM,
    MEMO_PROGRAM,
    *(venue.program for venue in VENUES),
}
"""The only programs that a transaction of ours may call."""
_V0: Final = b"\x80"
_ONE_SIGNATURE: Final = b"\x01"
_TOKEN_ACCOUNT_BYTES: Final = 165
_TOKEN_ACCOUNT_RENT: Final = rent_exempt(_TOKEN_ACCOUNT_BYTES)
_CACHED_MAX: Final = 4_096


@dataclass(frozen=True, slots=True)
class Budget:
    """The compute that is bought: its limit in units, its price in micro-lamports a unit."""

    unit_limit: int = 120_000
    unit_price: int = 1_000


@dataclass(frozen=True, slots=True)
class Swap:
    """What a transaction is to do. ``seed`` makes it unlike any other: see ``wrap_seed``."""

    pool: Pool
    mint_in: Pubkey
    mint_out: Pubkey
    amount_in: int
    min_amount_out: int
    seed: str


def wrap_seed(order_id: UUID, attempt: int) -> str:
    """The seed of an attempt: 32 characters, the most that the address of an account takes."""
    return blake2s(order_id.bytes + attempt.to_bytes(4), digest_size=16).hexdigest()


def build(swap: Swap, wallet: Wallet, recent: Blockhash, budget: Budget) -> Signed:
    """The signed transaction of a swap; it can land until the blockhash's last valid height.

    Raises ``Rejected`` (``transaction_too_large``) if it fits no packet.
    """
    assert swap.min_amount_out > 0, "a limit of 0 is no limit"
    message = MessageV0.try_compile(
        wallet.address, _instructions(swap, wallet.address, budget), [], recent.hash
    )
    _check_programs(message)
    payload = _V0 + bytes(message)
    signature = wallet.sign(payload)
    wire = _ONE_SIGNATURE + bytes(signature) + payload
    if len(wire) > WIRE_BYTES_MAX:
        raise Rejected(
            "transaction_too_large", f"the transaction has {len(wire)} bytes of {WIRE_BYTES_MAX}"
        )
    return Signed(str(signature), wire, recent.last_valid_height)


@lru_cache(_CACHED_MAX)
def token_address(owner: Pubkey, mint: Pubkey, token_program: Pubkey = TOKEN_PROGRAM) -> Pubkey:
    """The address of a wallet's own token account; remembered, for it takes hashing to find."""
    return ata(owner, mint, token_program)


def _check_programs(message: MessageV0) -> None:
    keys = message.account_keys
    called = {keys[instruction.program_id_index] for instruction in message.instructions}
    assert called <= _PROGRAMS, f"refusing to sign a call of {called - _PROGRAMS}"


def _instructions(swap: Swap, owner: Pubkey, budget: Budget) -> list[Instruction]:
    memo = Instruction(MEMO_PROGRAM, swap.seed.encode(), [])
    before = [*_budget(budget.unit_limit, budget.unit_price), memo]
    after: list[Instruction] = []
    account_in = account_out = None
    if NATIVE_MINT in {swap.mint_in, swap.mint_out}:
        temporary = Pubkey.create_with_seed(owner, swap.seed, TOKEN_PROGRAM)
        wrapped = swap.amount_in if swap.mint_in == NATIVE_MINT else 0
        before += _open_wrapped(owner, temporary, swap.seed, wrapped)
        after.append(_close(temporary, owner))
        if wrapped:
            account_in = temporary
        else:
            account_out = temporary
    if account_in is None:
        program = swap.pool.token_program(swap.mint_in)
        account_in = token_address(owner, swap.mint_in, program)
    if account_out is None:
        program = swap.pool.token_program(swap.mint_out)
        account_out = token_address(owner, swap.mint_out, program)
        before.append(_create_idempotent(owner, swap.mint_out, program))
    trader = Trader(owner, account_in, account_out)
    body = swap.pool.swap(trader, swap.mint_in, swap.amount_in, swap.min_amount_out)
    return [*before, body, *after]


@lru_cache(16)
def _budget(unit_limit: int, unit_price: int) -> tuple[Instruction, Instruction]:
    return set_compute_unit_limit(unit_limit), set_compute_unit_price(unit_price)


def _open_wrapped(
    owner: Pubkey, account: Pubkey, seed: str, amount: int
) -> tuple[Instruction, Instruction]:
    create = create_account_with_seed(
        CreateAccountWithSeedParams(
            from_pubkey=owner,
            to_pubkey=account,
            base=owner,
            seed=seed,
            lamports=_TOKEN_ACCOUNT_RENT + amount,
            space=_TOKEN_ACCOUNT_BYTES,
            owner=TOKEN_PROGRAM,
        )
    )
    # InitializeAccount3 takes what exceeds the rent as the balance: no SyncNative is needed.
    initialize = Instruction(
        TOKEN_PROGRAM,
        b"\x12" + bytes(owner),
        [
            AccountMeta(account, is_signer=False, is_writable=True),
            AccountMeta(NATIVE_MINT, is_signer=False, is_writable=False),
        ],
    )
    return create, initialize


def _close(account: Pubkey, owner: Pubkey) -> Instruction:
    return Instruction(
        TOKEN_PROGRAM,
        b"\x09",
        [
            AccountMeta(account, is_signer=False, is_writable=True),
            AccountMeta(owner, is_signer=False, is_writable=True),
            AccountMeta(owner, is_signer=True, is_writable=False),
        ],
    )


@lru_cache(_CACHED_MAX)
def _create_idempotent(owner: Pubkey, mint: Pubkey, token_program: Pubkey) -> Instruction:
    return Instruction(
        ATA_PROGRAM,
        b"\x01",
        [
            AccountMeta(owner, is_signer=True, is_writable=True),
            AccountMeta(
                token_address(owner, mint, token_program), is_signer=False, is_writable=True
            ),
            AccountMeta(owner, is_signer=False, is_writable=False),
            AccountMeta(mint, is_signer=False, is_writable=False),
            AccountMeta(SYSTEM_PROGRAM, is_signer=False, is_writable=False),
            AccountMeta(token_program, is_signer=False, is_writable=False),
        ],
    )
