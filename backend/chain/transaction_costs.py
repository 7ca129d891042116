"""What a landed transaction took from its wallet besides the amount, by the chain's own record."""

from __future__ import annotations

from typing import Final

from solders.transaction import VersionedTransaction

from backend.chain.rpc.results import LandedTransaction
from backend.domain.amounts import TransactionCosts
from backend.domain.fees.order_fees import SIGNATURE_FEE
from backend.venues.spl import NATIVE_MINT, SYSTEM_PROGRAM

_TRANSFER: Final = (2).to_bytes(4, "little")
_TRANSFER_LENGTH: Final = 12
_TRANSFER_MARK: Final = bytes([_TRANSFER_LENGTH]) + _TRANSFER
"""How the data of a transfer of lamports begins in a message, behind its length."""
_NATIVE: Final = str(NATIVE_MINT)


def read_costs(landed: LandedTransaction, owner: str) -> TransactionCosts:
    """Read what a successful transaction has cost the wallet ``owner`` that paid for it.

    Raises ``ValueError`` or ``IndexError`` if the node's record is malformed.
    """
    network_fee, priority_fee, *_ = read_fees(landed)
    return TransactionCosts(network_fee, priority_fee, _sum_tips(landed), _sum_rent(landed, owner))


def read_fees(landed: LandedTransaction) -> TransactionCosts:
    """Read what the network has charged: all that a reverted transaction has cost.

    What was charged beyond the fee of its signatures is the priority fee.
    """
    signatures = int.from_bytes(landed.wire[:1])  # their number is one byte up to 127
    priority_fee = max(0, landed.fee_lamports - SIGNATURE_FEE * signatures)
    return TransactionCosts(landed.fee_lamports, priority_fee)


def has_transfer(wire: bytes) -> bool:
    """Whether a transaction may have a transfer of lamports of its own, as one with a tip has."""
    return _TRANSFER_MARK in wire


def _sum_tips(landed: LandedTransaction) -> int:
    """What the transaction's own transfers of lamports have paid."""
    if not has_transfer(landed.wire):
        return 0
    message = VersionedTransaction.from_bytes(landed.wire).message
    system = message.account_keys.index(SYSTEM_PROGRAM)
    return sum(
        int.from_bytes(instruction.data[len(_TRANSFER) :], "little")
        for instruction in message.instructions
        if instruction.program_id_index == system and instruction.data.startswith(_TRANSFER)
    )


def _sum_rent(landed: LandedTransaction, owner: str) -> int:
    """What the owner's token accounts hold as rent that were opened; wrapped SOL is no rent."""
    rent = 0
    for at in landed.tokens_after.keys() - landed.tokens_before.keys():
        balance = landed.tokens_after[at]
        if balance.owner == owner:
            wrapped = balance.amount if balance.mint == _NATIVE else 0
            rent += landed.lamports_after[at] - landed.lamports_before[at] - wrapped
    return rent
