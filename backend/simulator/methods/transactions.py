"""Sending and trying out transactions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from solders.message import MessageV0, to_bytes_versioned
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction

from backend.chain.wire import Commitment
from backend.simulator.chain.block_producer import Blocks
from backend.simulator.chain.chain import Chain
from backend.simulator.faults import Faults, LoseResponse
from backend.simulator.methods.accounts import render
from backend.simulator.methods.params import (
    INVALID_PARAMS,
    NODE_UNHEALTHY,
    PREFLIGHT_FAILED,
    SIGNATURE_FAILED,
    Json,
    Lost,
    Options,
    Params,
    RpcError,
    context,
    pubkey,
)
from backend.simulator.options import BLOCKHASH_BLOCKS
from backend.simulator.programs.runtime import Err, Outcome, Refused, logs_of
from backend.simulator.wire.paper_wallet import PAPER_WALLET
from backend.simulator.wire.transaction_parser import Malformed, Parsed, decode, parse
from backend.venues.venue import Account

_ENCODINGS: Final = ("base58", "base64")
_ACCOUNTS_MAX: Final = 100
_AIRDROP_MAX: Final = 10**15


class TransactionMethods:
    """``sendTransaction`` and ``simulateTransaction``."""

    def __init__(self, chain: Chain, blocks: Blocks, faults: Faults) -> None:
        self._chain = chain
        self._blocks = blocks
        self._faults = faults

    def methods(self) -> Mapping[str, Callable[[Params], Json]]:
        """By name."""
        return {
            "requestAirdrop": self.airdrop,
            "sendTransaction": self.send,
            "simulateTransaction": self.simulate,
        }

    def airdrop(self, params: Params) -> Json:
        """``requestAirdrop``: a gift of the paper wallet, by a transaction like any other."""
        to, lamports = pubkey(params.text(0)), params.number(1, _AIRDROP_MAX)
        clock, payer = self._chain.clock, PAPER_WALLET.pubkey()
        gift = transfer(TransferParams(from_pubkey=payer, to_pubkey=to, lamports=lamports))
        blockhash = clock.blockhash(clock.height(clock.slot()))
        message = MessageV0.try_compile(payer, [gift], [], blockhash)
        signature = PAPER_WALLET.sign_message(to_bytes_versioned(message))
        parsed = parse(bytes(VersionedTransaction.populate(message, [signature])))
        self._blocks.accept(parsed)
        return parsed.signature

    def send(self, params: Params) -> Json:
        """``sendTransaction``. A signature that does not fit is refused without preflight too."""
        options = params.options(1)
        parsed = _parsed(params, options)
        context(self._chain, options)
        if not parsed.is_signed():
            raise RpcError(SIGNATURE_FAILED, "Transaction signature verification failure")
        if not options.flag("skipPreflight"):
            self._preflight(parsed)
        if not self._blocks.accept(parsed):
            raise RpcError(NODE_UNHEALTHY, "Node is unhealthy: too many transactions wait")
        loss = self._faults.strike(LoseResponse)
        if loss is not None:
            raise Lost(closes=loss.mode == "close")
        return parsed.signature

    def simulate(self, params: Params) -> Json:
        """``simulateTransaction``."""
        options = params.options(1)
        parsed = _parsed(params, options)
        replaces, checks = options.flag("replaceRecentBlockhash"), options.flag("sigVerify")
        if replaces and checks:
            raise RpcError(INVALID_PARAMS, "sigVerify may not be used with replaceRecentBlockhash")
        if checks and not parsed.is_signed():
            raise RpcError(SIGNATURE_FAILED, "Transaction signature verification failure")
        where = context(self._chain, options)
        err, outcome = self._try(parsed, checks_age=not replaces)
        value = _simulated(parsed, err, outcome)
        wanted = options.inner("accounts")
        if wanted is not None:
            value["accounts"] = self._after(wanted, outcome)
        if replaces:
            value["replacementBlockhash"] = self._replacement()
        return {"context": where, "value": value}

    def _preflight(self, parsed: Parsed) -> None:
        err, outcome = self._try(parsed, checks_age=True)
        if err is None:
            return
        words = (
            _REFUSALS.get(err, "Error processing Instruction")
            if isinstance(err, str)
            else ("Error processing Instruction")
        )
        raise RpcError(
            PREFLIGHT_FAILED,
            f"Transaction simulation failed: {words}",
            _simulated(parsed, err, outcome),
        )

    def _try(self, parsed: Parsed, *, checks_age: bool) -> tuple[Err | None, Outcome | None]:
        try:
            if checks_age:
                self._chain.check(parsed)
            outcome = self._chain.attempt(parsed)
        except Refused as refusal:
            return refusal.err, None
        return outcome.err, outcome

    def _after(self, wanted: Options, outcome: Outcome | None) -> Json:
        keys = wanted.keys("addresses", _ACCOUNTS_MAX)
        after: dict[Pubkey, Account | None] = {key: self._chain.account(key) for key in keys}
        if outcome is not None:
            after |= {**outcome.vaults, **outcome.changes}
        return [render(after[key], wanted) for key in keys]

    def _replacement(self) -> Json:
        clock = self._chain.clock
        height = clock.height(self._chain.slot_at(Commitment.PROCESSED))
        return {
            "blockhash": str(clock.blockhash(height)),
            "lastValidBlockHeight": height + BLOCKHASH_BLOCKS,
        }


_REFUSALS: Final[Mapping[str, str]] = {
    "AccountNotFound": "Attempt to debit an account but found no record of a prior credit.",
    "AlreadyProcessed": "This transaction has already been processed",
    "BlockhashNotFound": "Blockhash not found",
    "InsufficientFundsForFee": "Insufficient funds for fee",
    "InvalidAccountForFee": "This account may not be used to pay transaction fees",
    "ProgramAccountNotFound": "Attempt to load a program that does not exist",
}


def _parsed(params: Params, options: Options) -> Parsed:
    text = params.text(0)
    try:
        return parse(decode(text, options.word("encoding", _ENCODINGS)))
    except Malformed as error:
        raise RpcError(INVALID_PARAMS, str(error)) from None


def _simulated(parsed: Parsed, err: Err | None, outcome: Outcome | None) -> dict[str, Json]:
    return {
        "accounts": None,
        "err": err,
        "innerInstructions": None,
        "logs": [] if outcome is None else logs_of(parsed.programs, err, outcome.lines),
        "returnData": None,
        "unitsConsumed": 0 if outcome is None else outcome.units,
    }
