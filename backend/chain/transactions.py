"""Builds the swaps of one order as one transaction, which is executed atomically, and signs it.

SOL is wrapped in a token account that only this transaction uses: it is created under a seed of
the order and closed at the end. So orders of one wallet never share it, no account is left over,
and wrapped SOL that the wallet holds elsewhere is not touched.

The same seed is in a memo, and names the order and its attempt (``memos``). Without it, equal
orders signed with the same blockhash would be one and the same transaction, and a single swap would
count for both.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, NamedTuple
from uuid import UUID

from solders.address_lookup_table_account import AddressLookupTableAccount
from solders.compute_budget import ID as COMPUTE_BUDGET
from solders.compute_budget import set_compute_unit_limit, set_compute_unit_price
from solders.hash import Hash
from solders.instruction import Instruction
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.signature import Signature

from backend.chain.bundles.tips import Tip
from backend.chain.compute_budget import ComputeBudget
from backend.chain.memos import format_memo
from backend.chain.messages import compile_message, find_excess, measure_message
from backend.chain.rpc.results import Blockhash
from backend.chain.swap_instructions import SwapInstructions
from backend.chain.token_accounts import (
    build_close_account,
    build_create_ata,
    build_open_wrapped,
    derive_token_address,
)
from backend.chain.wallet import Wallet
from backend.domain.errors import Rejected
from backend.domain.orders import SignedTransaction
from backend.venues.spl import (
    ATA_PROGRAM,
    MEMO_PROGRAM,
    NATIVE_MINT,
    SYSTEM_PROGRAM,
    TOKEN_PROGRAM,
    TOKEN_PROGRAMS,
)
from backend.venues.venue import Pool, SwapAccounts

_ALLOWED_PROGRAMS: Final = TOKEN_PROGRAMS | {
    COMPUTE_BUDGET,
    SYSTEM_PROGRAM,
    ATA_PROGRAM,
    MEMO_PROGRAM,
}
"""The only programs that a signed transaction may call besides those of its pools."""
_V0_PREFIX: Final = b"\x80"
_SIGNATURE_COUNT: Final = b"\x01"
_NO_SIGNATURE: Final = bytes(64)
_SOME_OWNER: Final = Pubkey(bytes([7] * 32))
_SOME_SEED: Final = "0" * 32


class SwapLeg(NamedTuple):
    """A swap through one pool: exactly ``amount_in``, for at least ``min_amount_out``.

    ``mints`` are the token that it takes and the one that it pays, where these are not the two
    tokens of the whole swap.
    """

    pool: Pool
    amount_in: int
    min_amount_out: int
    mints: tuple[Pubkey, Pubkey] | None = None


@dataclass(frozen=True, slots=True)
class SwapParameters:
    """The swaps of a transaction, in the order of their execution.

    They take ``mint_in`` and pay ``mint_out``, some of them through other tokens: what a leg takes
    of such a token, earlier ones pay at least. ``seed`` makes the transaction unique: see
    ``derive_wrap_seed``.
    """

    legs: Sequence[SwapLeg]
    mint_in: Pubkey
    mint_out: Pubkey
    seed: str

    @property
    def amount_in(self) -> int:
        """What the legs take of ``mint_in``, in base units."""
        return sum(leg.amount_in for leg in self.legs if self.get_mints(leg)[0] == self.mint_in)

    def get_mints(self, leg: SwapLeg) -> tuple[Pubkey, Pubkey]:
        """The token that a leg takes and the one that it pays."""
        return leg.mints or (self.mint_in, self.mint_out)

    def list_mints(self) -> list[tuple[Pubkey, Pubkey]]:
        """Every token with its token program: that in, that out, and those in between."""
        programs: dict[Pubkey, Pubkey] = {}
        for leg in self.legs:
            for mint in self.get_mints(leg):
                if mint not in programs:
                    programs[mint] = leg.pool.token_program(mint)
        return list(programs.items())


@dataclass(frozen=True, slots=True)
class UnsignedTransaction:
    """A transaction without its signature. ``payload`` is what the signature signs."""

    payload: bytes
    last_valid_height: int
    fee_lamports: int

    @property
    def wire(self) -> bytes:
        """The bytes with zeros for the signature: a node can simulate them, and execute nothing."""
        return _SIGNATURE_COUNT + _NO_SIGNATURE + self.payload

    def sign(self, wallet: Wallet) -> SignedTransaction:
        """Sign it: from now on, whoever has the bytes can have them executed."""
        return self.with_signature(wallet.sign(self.payload))

    def with_signature(self, signature: Signature) -> SignedTransaction:
        """The transaction with its signature."""
        wire = _SIGNATURE_COUNT + bytes(signature) + self.payload
        return SignedTransaction(str(signature), wire, self.last_valid_height, self.fee_lamports)


def derive_wrap_seed(order_id: UUID, attempt: int) -> str:
    """Derive the seed of an attempt: at most 32 characters, as many as an address allows."""
    return format_memo(order_id, attempt)


def build_swap(
    swap: SwapParameters,
    owner: Pubkey,
    recent: Blockhash,
    budget: ComputeBudget,
    tables: Sequence[AddressLookupTableAccount] = (),
    tip: Tip | None = None,
) -> UnsignedTransaction:
    """Build the transaction of a swap; it can land up to the blockhash's last height.

    The limit of the budget is that of one swap; others, and arrays of ticks or bins, add to it.
    Raises as ``compile_swap``.
    """
    instructions = build_instructions(swap, owner)
    limit = instructions.estimate_units(budget.unit_limit)
    return compile_swap(instructions, recent, replace(budget, unit_limit=limit), tables, tip)


def build_instructions(swap: SwapParameters, owner: Pubkey) -> SwapInstructions:
    """Build what the transaction of a swap executes, for its owner."""
    assert all(leg.min_amount_out > 0 for leg in swap.legs), "a minimum of 0 is no protection"
    return _build_instructions(swap, owner)


def compile_swap(
    instructions: SwapInstructions,
    recent: Blockhash,
    budget: ComputeBudget,
    tables: Sequence[AddressLookupTableAccount] = (),
    tip: Tip | None = None,
) -> UnsignedTransaction:
    """Compile the transaction of a swap; ``budget`` is that of all its instructions.

    It pays ``tip`` in the end, if there is room for it. Raises ``Rejected``
    (``transaction_too_large``) if it exceeds a packet, also with lookup tables and without a tip,
    or names too many accounts.
    """
    message = _compile(instructions, recent.hash, budget, tables, tip)
    if tip is not None and find_excess(message):
        tip = None
        message = _compile(instructions, recent.hash, budget, tables)
    _check_programs(message, instructions.pool_programs)
    if excess := find_excess(message):
        raise Rejected("transaction_too_large", excess)
    payload = _V0_PREFIX + bytes(message)
    fee = budget.compute_fee() + (0 if tip is None else tip.lamports)
    return UnsignedTransaction(payload, recent.last_valid_height, fee)


def measure_swap(legs: Sequence[SwapLeg], mint_in: Pubkey, mint_out: Pubkey) -> int:
    """Measure the bytes of the transaction that swaps these legs, whoever signs it."""
    return measure_message(_compile_swap(legs, mint_in, mint_out))


def fits_transaction(
    legs: Sequence[SwapLeg],
    mint_in: Pubkey,
    mint_out: Pubkey,
    tables: Sequence[AddressLookupTableAccount] = (),
) -> bool:
    """Whether one transaction can swap these legs, whoever signs it."""
    return find_excess(_compile_swap(legs, mint_in, mint_out, tables)) is None


def _compile_swap(
    legs: Sequence[SwapLeg],
    mint_in: Pubkey,
    mint_out: Pubkey,
    tables: Sequence[AddressLookupTableAccount] = (),
) -> MessageV0:
    swap = SwapParameters(legs, mint_in, mint_out, _SOME_SEED)
    instructions = _build_instructions(swap, _SOME_OWNER)
    return _compile(instructions, Hash.default(), ComputeBudget(), tables)


def _compile(
    instructions: SwapInstructions,
    recent: Hash,
    budget: ComputeBudget,
    tables: Sequence[AddressLookupTableAccount],
    tip: Tip | None = None,
) -> MessageV0:
    limits = _build_budget_instructions(budget.unit_limit, budget.get_price(budget.unit_limit))
    listed = [*limits, *instructions.before, *instructions.swaps, *instructions.after]
    if tip is not None:
        listed.append(tip.build_transfer(instructions.owner))
    # A signer that reads no lookup table sees which accounts are those of the owner.
    return compile_message(instructions.owner, listed, recent, tables, instructions.own)


def _check_programs(message: MessageV0, pool_programs: Set[Pubkey]) -> None:
    # The index of a program in a lookup table would be beyond the keys: such a message is refused.
    keys = message.account_keys
    called = {keys[instruction.program_id_index] for instruction in message.instructions}
    refused = called - _ALLOWED_PROGRAMS - pool_programs
    assert not refused, f"refusing to sign a call of {refused}"


def _build_instructions(swap: SwapParameters, owner: Pubkey) -> SwapInstructions:
    before = [Instruction(MEMO_PROGRAM, swap.seed.encode(), [])]
    after: list[Instruction] = []
    accounts: dict[Pubkey, Pubkey] = {}
    created: list[Pubkey] = []
    for mint, program in swap.list_mints():
        if mint == NATIVE_MINT:
            temporary = Pubkey.create_with_seed(owner, swap.seed, TOKEN_PROGRAM)
            wrapped = swap.amount_in if swap.mint_in == NATIVE_MINT else 0
            before += build_open_wrapped(owner, temporary, swap.seed, wrapped)
            after.append(build_close_account(temporary, owner))
            accounts[mint] = temporary
        else:
            accounts[mint] = derive_token_address(owner, mint, program)
            if mint != swap.mint_in:
                before.append(build_create_ata(owner, mint, program))
                created.append(accounts[mint])
    swaps = []
    for leg in swap.legs:
        mint_in, mint_out = swap.get_mints(leg)
        trader = SwapAccounts(owner, accounts[mint_in], accounts[mint_out])
        swaps.append(leg.pool.swap_instruction(trader, mint_in, leg.amount_in, leg.min_amount_out))
    own = owner, *accounts.values()
    pools = [leg.pool for leg in swap.legs]
    return SwapInstructions(
        owner,
        before,
        swaps,
        after,
        own,
        tuple(created),
        bool(after),
        frozenset(pool.program for pool in pools),
        sum(not pool.is_single_curve for pool in pools),
    )


@lru_cache(1_024)
def _build_budget_instructions(unit_limit: int, unit_price: int) -> tuple[Instruction, Instruction]:
    return set_compute_unit_limit(unit_limit), set_compute_unit_price(unit_price)
