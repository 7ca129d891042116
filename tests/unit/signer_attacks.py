"""Messages that a thief would have signed: each is a swap of the wallet but for one thing."""

from __future__ import annotations

from collections.abc import Callable

from solders.compute_budget import request_heap_frame, set_compute_unit_price
from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey
from solders.system_program import (
    AdvanceNonceAccountParams,
    AssignParams,
    CreateAccountParams,
    TransferParams,
    advance_nonce_account,
    assign,
    create_account,
    transfer,
)

from backend.chain.bundles.tips import Tip
from backend.chain.token_accounts import (
    build_close_account,
    build_create_ata,
    build_open_wrapped,
    derive_token_address,
)
from backend.venues import CPMM
from backend.venues.spl import ATA_PROGRAM, MEMO_PROGRAM, TOKEN_2022_PROGRAM, TOKEN_PROGRAM
from tests.pools import SOL, USDC
from tests.unit.signer_messages import (
    OTHER_MINT,
    OWNER,
    THIEF,
    TIP_ACCOUNT,
    build_route,
    replace_account,
)

ROUTE = build_route(CPMM)
USDC_ACCOUNT = derive_token_address(OWNER, USDC)
THIEFS_USDC = derive_token_address(THIEF, USDC)
TEMPORARY = ROUTE[3].accounts[1].pubkey


def read_opening() -> tuple[str, int]:
    """The seed of the temporary account of ``ROUTE``, and the lamports that it gets."""
    data = ROUTE[3].data
    end = 44 + int.from_bytes(data[36:44], "little")
    return data[44:end].decode(), int.from_bytes(data[end : end + 8], "little")


def call_token(data: bytes, *keys: Pubkey, program: Pubkey = TOKEN_PROGRAM) -> Instruction:
    metas = [AccountMeta(key, is_signer=key == OWNER, is_writable=True) for key in keys]
    return Instruction(program, data, metas)


def open_for_thief() -> list[Instruction]:
    """Wrapped SOL in an account that the transaction gives to somebody else."""
    create, initialize = build_open_wrapped(OWNER, TEMPORARY, read_opening()[0], 5)
    return [create, Instruction(TOKEN_PROGRAM, b"\x12" + bytes(THIEF), initialize.accounts)]


ATTACKS: dict[str, Callable[[], list[Instruction]]] = {
    "a foreign program": lambda: [*ROUTE, call_token(b"\1", OWNER, program=THIEF)],
    "SOL to somebody": lambda: [*ROUTE, Tip(THIEF, 1).build_transfer(OWNER)],
    "two tips": lambda: [*ROUTE, *[Tip(TIP_ACCOUNT, 1).build_transfer(OWNER)] * 2],
    "a tip that is too large": lambda: [*ROUTE, Tip(TIP_ACCOUNT, 99_000).build_transfer(OWNER)],
    "a tip of a malformed size": lambda: [
        *ROUTE,
        Instruction(
            transfer(
                TransferParams(from_pubkey=OWNER, to_pubkey=TIP_ACCOUNT, lamports=1)
            ).program_id,
            b"\2\0\0\0\1",
            [AccountMeta(OWNER, True, True), AccountMeta(TIP_ACCOUNT, False, True)],
        ),
    ],
    "a fee that is too large": lambda: [ROUTE[0], set_compute_unit_price(10**9), *ROUTE[2:]],
    "a fee without a limit of units": lambda: [set_compute_unit_price(10**5), *ROUTE[2:]],
    "two prices": lambda: [*ROUTE, set_compute_unit_price(1)],
    "a heap": lambda: [*ROUTE, request_heap_frame(65_536)],
    "a transfer of tokens": lambda: [
        *ROUTE,
        call_token(b"\3" + (5).to_bytes(8, "little"), USDC_ACCOUNT, THIEFS_USDC, OWNER),
    ],
    "a checked transfer": lambda: [
        *ROUTE,
        call_token(
            b"\x0c" + (5).to_bytes(8, "little") + b"\6", USDC_ACCOUNT, USDC, THIEFS_USDC, OWNER
        ),
    ],
    "a transfer of Token-2022": lambda: [
        *ROUTE,
        call_token(b"\3" + bytes(8), USDC_ACCOUNT, THIEFS_USDC, OWNER, program=TOKEN_2022_PROGRAM),
    ],
    "Approve": lambda: [*ROUTE, call_token(b"\4" + b"\xff" * 8, USDC_ACCOUNT, THIEF, OWNER)],
    "ApproveChecked": lambda: [
        *ROUTE,
        call_token(b"\x0d" + b"\xff" * 8 + b"\6", USDC_ACCOUNT, USDC, THIEF, OWNER),
    ],
    "SetAuthority": lambda: [
        *ROUTE,
        call_token(b"\6\2\1" + bytes(THIEF), USDC_ACCOUNT, OWNER),
    ],
    "SetAuthority of the temporary account": lambda: [
        *ROUTE[:-1],
        call_token(b"\6\2\1" + bytes(THIEF), TEMPORARY, OWNER),
        ROUTE[-1],
    ],
    "CloseAccount to somebody": lambda: [
        *ROUTE[:-1],
        replace_account(ROUTE[-1], 1, THIEF),
    ],
    "CloseAccount of another account": lambda: [*ROUTE, build_close_account(USDC_ACCOUNT, OWNER)],
    "CloseAccount twice": lambda: [*ROUTE, ROUTE[-1]],
    "the temporary account left open": lambda: ROUTE[:-1],
    "the temporary account not initialized": lambda: [*ROUTE[:4], *ROUTE[5:]],
    "the temporary account of somebody": lambda: [*ROUTE[:3], *open_for_thief(), *ROUTE[5:]],
    "another temporary account of somebody": lambda: [*open_for_thief(), *ROUTE],
    "an account at another address": lambda: [
        *ROUTE[:3],
        replace_account(ROUTE[3], 1, THIEF),
        *ROUTE[4:],
    ],
    "CreateAccount": lambda: [
        *ROUTE,
        create_account(
            CreateAccountParams(
                from_pubkey=OWNER, to_pubkey=OWNER, lamports=5, space=165, owner=TOKEN_PROGRAM
            )
        ),
    ],
    "Assign": lambda: [*ROUTE, assign(AssignParams(pubkey=OWNER, owner=THIEF))],
    "a durable nonce": lambda: [
        advance_nonce_account(
            AdvanceNonceAccountParams(nonce_pubkey=THIEF, authorized_pubkey=OWNER)
        ),
        *ROUTE,
    ],
    "an associated account for somebody": lambda: [
        *ROUTE,
        replace_account(
            replace_account(build_create_ata(OWNER, USDC, TOKEN_PROGRAM), 2, THIEF), 1, THIEFS_USDC
        ),
    ],
    "an associated account elsewhere": lambda: [
        *ROUTE,
        replace_account(build_create_ata(OWNER, USDC, TOKEN_PROGRAM), 1, THIEFS_USDC),
    ],
    "an associated account of another program": lambda: [
        *ROUTE,
        replace_account(build_create_ata(OWNER, USDC, TOKEN_PROGRAM), 5, THIEF),
    ],
    "RecoverNested": lambda: [*ROUTE, call_token(b"\2", USDC_ACCOUNT, OWNER, program=ATA_PROGRAM)],
    "a memo that signs": lambda: [*ROUTE, call_token(b"text", OWNER, program=MEMO_PROGRAM)],
    "no swap at all": lambda: [*ROUTE[:5], ROUTE[-1]],
    "nothing": list,
    "a swap that sells no listed mint": lambda: build_route(CPMM, pair=(OTHER_MINT, SOL)),
}
