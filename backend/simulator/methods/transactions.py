"""Methods that send and simulate transactions."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

from solders.message import MessageV0, to_bytes_versioned
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction

from backend.chain.wire import Commitment
from backend.domain.amounts import U64_MAX
from backend.simulator.chain.block_producer import BlockProducer
from backend.simulator.chain.chain import Chain
from backend.simulator.chain.genesis import PAPER_WALLET
from backend.simulator.fault_registry import FaultRegistry
from backend.simulator.faults import ResponseLoss
from backend.simulator.methods.accounts import account_to_json
from backend.simulator.methods.params import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    NODE_UNHEALTHY,
    PREFLIGHT_FAILED,
    SIGNATURE_VERIFICATION_FAILED,
    TOO_MANY_REQUESTS,
    CallOptions,
    Json,
    Params,
    ResponseLost,
    RpcError,
    build_context,
    parse_pubkey,
)
from backend.simulator.options import BLOCKHASH_BLOCKS
from backend.simulator.programs.runtime import (
    ExecutionResult,
    TransactionError,
    TransactionRefused,
    build_logs,
)
from backend.simulator.wire.transaction_parser import (
    MalformedTransaction,
    ParsedTransaction,
    decode_transaction,
    parse_transaction,
)
from backend.venues.venue import Account

_ENCODINGS: Final = ("base58", "base64")
_ACCOUNTS_MAX: Final = 100
_AIRDROP_S: Final = 3_600
"""The time in which one address gets so many airdrops."""
_AIRDROPS_USED_UP: Final = (
    "You've either reached your airdrop limit today or the airdrop faucet has run dry. Please visit"
    " https://faucet.solana.com for alternate sources of test SOL"
)


class TransactionMethods:
    """``sendTransaction``, ``simulateTransaction`` and ``requestAirdrop``."""

    def __init__(self, chain: Chain, block_producer: BlockProducer, faults: FaultRegistry) -> None:
        self._chain = chain
        self._block_producer = block_producer
        self._faults = faults
        self._airdrops: deque[tuple[int, Pubkey]] = deque()
        """The airdrops of the last hour, where they are limited."""

    def list_methods(self) -> Mapping[str, Callable[[Params], Json]]:
        """The handlers by method name."""
        return {
            "requestAirdrop": self.request_airdrop,
            "sendTransaction": self.send_transaction,
            "simulateTransaction": self.simulate_transaction,
        }

    def request_airdrop(self, params: Params) -> Json:
        """``requestAirdrop``: an ordinary transfer from the paper wallet, as the faucet permits."""
        recipient = parse_pubkey(params.get_string(0))
        lamports = params.get_integer(1, U64_MAX)
        self._check_faucet(recipient, lamports)
        clock, payer = self._chain.clock, PAPER_WALLET.pubkey()
        instruction = transfer(
            TransferParams(from_pubkey=payer, to_pubkey=recipient, lamports=lamports)
        )
        blockhash = clock.blockhash(clock.height(clock.slot()))
        message = MessageV0.try_compile(payer, [instruction], [], blockhash)
        signature = PAPER_WALLET.sign_message(to_bytes_versioned(message))
        transaction = parse_transaction(bytes(VersionedTransaction.populate(message, [signature])))
        self._block_producer.accept_transaction(transaction)
        return transaction.signature

    def _check_faucet(self, recipient: Pubkey, lamports: int) -> None:
        """Raise ``RpcError`` with the answers of real nodes to what their faucets do not give."""
        faucet, clock = self._chain.dress.faucet, self._chain.clock
        if faucet is None:
            raise RpcError(INVALID_REQUEST, "Invalid request")
        if lamports > faucet.lamports_max:
            raise RpcError(INTERNAL_ERROR, "Internal error")
        if faucet.requests_max is None:
            return
        now = clock.unix_time(clock.slot())
        while self._airdrops and self._airdrops[0][0] <= now - _AIRDROP_S:
            self._airdrops.popleft()
        if sum(each == recipient for _, each in self._airdrops) >= faucet.requests_max:
            raise RpcError(TOO_MANY_REQUESTS, _AIRDROPS_USED_UP)
        self._airdrops.append((now, recipient))

    def send_transaction(self, params: Params) -> Json:
        """``sendTransaction``. Signatures are verified even if preflight is skipped."""
        options = params.get_options(1)
        transaction = self._read_transaction(params, options)
        build_context(self._chain, options)
        if not transaction.has_valid_signatures():
            raise RpcError(
                SIGNATURE_VERIFICATION_FAILED, "Transaction signature verification failure"
            )
        if not options.get_flag("skipPreflight"):
            self._run_preflight(transaction)
        if not self._block_producer.accept_transaction(transaction):
            raise RpcError(NODE_UNHEALTHY, "Node is unhealthy: too many transactions wait")
        fault = self._faults.trigger(ResponseLoss)
        if fault is not None:
            raise ResponseLost(is_connection_closed=fault.mode == "close")
        return transaction.signature

    def simulate_transaction(self, params: Params) -> Json:
        """``simulateTransaction``."""
        options = params.get_options(1)
        transaction = self._read_transaction(params, options)
        has_new_blockhash, has_signature_check = (
            options.get_flag("replaceRecentBlockhash"),
            options.get_flag("sigVerify"),
        )
        if has_new_blockhash and has_signature_check:
            raise RpcError(INVALID_PARAMS, "sigVerify may not be used with replaceRecentBlockhash")
        if has_signature_check and not transaction.has_valid_signatures():
            raise RpcError(
                SIGNATURE_VERIFICATION_FAILED, "Transaction signature verification failure"
            )
        response_context = build_context(self._chain, options)
        err, result = self._simulate(transaction, has_blockhash_check=not has_new_blockhash)
        value = _simulation_to_json(transaction, err, result)
        requested_accounts = options.get_object("accounts")
        if requested_accounts is not None:
            value["accounts"] = self._list_accounts_after(requested_accounts, result)
        if has_new_blockhash:
            value["replacementBlockhash"] = self._build_replacement_blockhash()
        return {"context": response_context, "value": value}

    def _read_transaction(self, params: Params, options: CallOptions) -> ParsedTransaction:
        text = params.get_string(0)
        try:
            wire = decode_transaction(text, options.get_choice("encoding", _ENCODINGS))
            return self._chain.parse_transaction(wire)
        except MalformedTransaction as error:
            raise RpcError(INVALID_PARAMS, str(error)) from None

    def _run_preflight(self, transaction: ParsedTransaction) -> None:
        err, result = self._simulate(transaction, has_blockhash_check=True)
        if err is None:
            return
        message = (
            _REFUSAL_MESSAGES.get(err, "Error processing Instruction")
            if isinstance(err, str)
            else ("Error processing Instruction")
        )
        raise RpcError(
            PREFLIGHT_FAILED,
            f"Transaction simulation failed: {message}",
            _simulation_to_json(transaction, err, result),
        )

    def _simulate(
        self, transaction: ParsedTransaction, *, has_blockhash_check: bool
    ) -> tuple[TransactionError | None, ExecutionResult | None]:
        try:
            if has_blockhash_check:
                self._chain.check_can_land(transaction)
            result = self._chain.simulate(transaction)
        except TransactionRefused as refusal:
            return refusal.err, None
        return result.err, result

    def _list_accounts_after(self, options: CallOptions, result: ExecutionResult | None) -> Json:
        keys = options.get_pubkeys("addresses", _ACCOUNTS_MAX)
        accounts: dict[Pubkey, Account | None] = {key: self._chain.get_account(key) for key in keys}
        if result is not None:
            accounts |= {**result.vaults, **result.changes}
        return [account_to_json(accounts[key], options) for key in keys]

    def _build_replacement_blockhash(self) -> Json:
        clock = self._chain.clock
        height = clock.height(self._chain.slot_at(Commitment.PROCESSED))
        return {
            "blockhash": str(clock.blockhash(height)),
            "lastValidBlockHeight": height + BLOCKHASH_BLOCKS,
        }


_REFUSAL_MESSAGES: Final[Mapping[str, str]] = {
    "AccountNotFound": "Attempt to debit an account but found no record of a prior credit.",
    "AlreadyProcessed": "This transaction has already been processed",
    "BlockhashNotFound": "Blockhash not found",
    "InsufficientFundsForFee": "Insufficient funds for fee",
    "InvalidAccountForFee": "This account may not be used to pay transaction fees",
    "ProgramAccountNotFound": "Attempt to load a program that does not exist",
    "TooManyAccountLocks": "Transaction locked too many accounts",
}


def _simulation_to_json(
    transaction: ParsedTransaction, err: TransactionError | None, result: ExecutionResult | None
) -> dict[str, Json]:
    return {
        "accounts": None,
        "err": err,
        "innerInstructions": None,
        "logs": [] if result is None else build_logs(transaction.programs, err, result.log_lines),
        "returnData": None,
        "unitsConsumed": 0 if result is None else result.compute_units,
    }
