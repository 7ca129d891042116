"""Messages as the engine has them signed, and others that only look so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from solders.address_lookup_table_account import AddressLookupTableAccount
from solders.compute_budget import set_compute_unit_limit, set_compute_unit_price
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.message import MessageV0
from solders.pubkey import Pubkey

from backend.chain.transactions import (
    SwapLeg,
    SwapParameters,
    build_instructions,
    derive_wrap_seed,
)
from backend.chain.wallet import create_paper_wallet
from backend.signer.policy import SigningPolicy, Spending, WalletAccounts
from backend.signer.transaction_check import check_transaction
from backend.venues import MAINNET_VENUES
from backend.venues.hosting import HostedVenue
from tests.pools import SOL, USDC

WALLET: Final = create_paper_wallet()
OWNER: Final = WALLET.address
THIEF: Final = Pubkey(bytes([66] * 32))
TIP_ACCOUNT: Final = Pubkey(bytes([67] * 32))
OTHER_MINT: Final = Pubkey.from_string("JUPyiwrYJFskUPiHa7hkeR8VUtAeFoSYbKedZNsDvCN")
SOL_UNIT: Final = 10**9
POLICY: Final = SigningPolicy(
    venues=MAINNET_VENUES.by_program,
    day_limits={SOL: 50 * SOL_UNIT, USDC: 5_000 * 10**6},
    permits_others=False,
    day_lamports=SOL_UNIT,
    fee_lamports_max=100_000,
    tip_accounts=frozenset({TIP_ACCOUNT}),
)
BUDGET: Final = (set_compute_unit_limit(100_000), set_compute_unit_price(1_000))


def build_route(
    *venues: HostedVenue,
    pair: tuple[Pubkey, Pubkey] = (SOL, USDC),
    amount: int = SOL_UNIT,
    through: Pubkey | None = None,
) -> list[Instruction]:
    """The instructions of a swap by pools of some venues, side by side or ``through`` a token."""
    hops = [pair] * len(venues) if through is None else [(pair[0], through), (through, pair[1])]
    legs = [
        SwapLeg(
            venue.create_pool(*hop, 10**15, 10**14, fee_e9=3_000_000), amount, amount, mints=hop
        )
        for venue, hop in zip(venues, hops, strict=True)
    ]
    swap = SwapParameters(legs, *pair, derive_wrap_seed(UUID(int=42), 1))
    built = build_instructions(swap, OWNER)
    return [*BUDGET, *built.before, *built.swaps, *built.after]


def compile_payload(
    instructions: Sequence[Instruction],
    tables: Sequence[AddressLookupTableAccount] = (),
    payer: Pubkey = OWNER,
) -> bytes:
    """The bytes of a message, which are signed."""
    message = MessageV0.try_compile(payer, list(instructions), list(tables), Hash.default())
    return b"\x80" + bytes(message)


def check(
    instructions: Sequence[Instruction],
    policy: SigningPolicy = POLICY,
    tables: Sequence[AddressLookupTableAccount] = (),
) -> Spending:
    """Check a message as the signer does."""
    return check_payload(compile_payload(instructions, tables), policy)


def check_payload(payload: bytes, policy: SigningPolicy = POLICY) -> Spending:
    """Check the bytes of a message as the signer does; its clients say which mints are meant."""
    return check_transaction(
        payload, WalletAccounts(OWNER, policy), policy, [SOL, OTHER_MINT, USDC]
    )


def replace_account(instruction: Instruction, position: int, key: Pubkey) -> Instruction:
    """An instruction with another account at a position, which signs nothing."""
    metas = list(instruction.accounts)
    old = metas[position]
    metas[position] = AccountMeta(key, is_signer=False, is_writable=old.is_writable)
    return Instruction(instruction.program_id, instruction.data, metas)
