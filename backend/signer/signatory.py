"""Answers the requests of clients: parses, checks, counts, and then signs."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Sequence
from time import monotonic, monotonic_ns
from typing import Final

from solders.pubkey import Pubkey

from backend.chain.signing.frames import (
    Answer,
    Frame,
    FrameError,
    Request,
    SignRequest,
    decode_sign_request,
    encode_frame,
)
from backend.chain.signing.signer import SIGNER_REFUSED, SIGNER_UNAVAILABLE
from backend.chain.wallet import Wallet
from backend.domain.errors import EngineError, Rejected, Unavailable
from backend.signer import observe_signer
from backend.signer.day_count import DayCount
from backend.signer.policy import SigningPolicy, WalletAccounts, refuse
from backend.signer.transaction_check import check_transaction

_REMEMBERED_MAX: Final = 4_096
_LOGGED_PER_S: Final = 5


class Signatory:
    """Signs with ``wallets`` what a policy permits, and counts it."""

    def __init__(self, wallets: Sequence[Wallet], policy: SigningPolicy, count: DayCount) -> None:
        self._wallets = {bytes(each.address): each for each in wallets}
        self._accounts = {
            key: WalletAccounts(each.address, policy) for key, each in self._wallets.items()
        }
        self._policy = policy
        self._count = count
        self._signed: OrderedDict[bytes, bytes] = OrderedDict()
        """The newest messages with their signatures: one that is asked for again counts once."""
        self._refusals = _RefusalLog()
        self._totals = {"signed": 0, "refused": 0}

    def answer(self, frame: Frame, pid: int) -> bytes:
        """Answer a request of a process. Raises ``FrameError`` if it is none."""
        try:
            payload = self._answer(frame)
        except Rejected as error:
            self._totals["refused"] += 1
            self._refusals.log(error, pid)
            return _encode_refusal(frame.number, Answer.REFUSED, error)
        except Unavailable as error:
            return _encode_refusal(frame.number, Answer.UNAVAILABLE, error)
        return encode_frame(frame.number, Answer.DONE, payload)

    def _answer(self, frame: Frame) -> bytes:
        match frame.kind:
            case Request.SIGN:
                return self._sign(decode_sign_request(frame.payload))
            case Request.DESCRIBE:
                return json.dumps(self._describe()).encode()
            case _:
                raise FrameError(f"a request of kind {frame.kind}")

    def _sign(self, request: SignRequest) -> bytes:
        wallet = self._wallets.get(request.address)
        if wallet is None:
            refuse("it has no key of this address")
        if monotonic_ns() > request.deadline_ns:
            raise Unavailable(SIGNER_UNAVAILABLE, "the request came too late")
        key = request.address + request.message
        signature = self._signed.get(key)
        if signature is None:
            accounts = self._accounts[request.address]
            mints = [Pubkey(each) for each in request.mints]
            spending = check_transaction(request.message, accounts, self._policy, mints)
            self._count.add(str(wallet.address), spending)
            signature = bytes(wallet.sign(request.message))
            self._totals["signed"] += 1
            self._remember(key, signature)
        return signature

    def _remember(self, key: bytes, signature: bytes) -> None:
        self._signed[key] = signature
        if len(self._signed) > _REMEMBERED_MAX:
            self._signed.popitem(last=False)

    def _describe(self) -> dict[str, object]:
        addresses = [str(each.address) for each in self._wallets.values()]
        wallets = [{"address": each, "today": self._count.describe(each)} for each in addresses]
        return {"wallets": wallets, **self._totals}


class _RefusalLog:
    """Logs refusals, a few in a second: a client that only asks for them fills no disk."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._second = 0
        self._logged = 0
        self._unlogged = 0

    def log(self, error: EngineError, pid: int) -> None:
        """Log a refusal, or count it."""
        second = int(self._clock())
        if second != self._second:
            self._second, self._logged = second, 0
        if self._logged >= _LOGGED_PER_S:
            self._unlogged += 1
            return
        self._logged += 1
        observe_signer.signature_refused(error.code, error.reason, pid, self._unlogged)
        self._unlogged = 0


def _encode_refusal(number: int, kind: Answer, error: EngineError) -> bytes:
    refusal = {"code": error.code or SIGNER_REFUSED, "reason": error.reason}
    return encode_frame(number, kind, json.dumps(refusal).encode())
