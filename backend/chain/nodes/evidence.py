"""What several nodes say of a transaction, as one answer: two of them have to agree.

One node may be behind, on a fork that is dropped, or wrong. So a transaction counts as landed only
if two nodes have it in the same confirmed block with the same outcome, and as absent only if two
have searched for it in vain; of a single node that can be asked, its word has to do. While nodes
contradict each other, nothing is known: no third one decides who is right about money.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Final, NamedTuple

from backend.chain.rpc.results import LandedTransaction, SignatureStatus, SignatureStatuses
from backend.chain.wire import Commitment
from backend.domain.errors import EngineError

QUORUM: Final = 2
"""So many nodes have to agree, where as many can be asked."""

TransactionAnswer = LandedTransaction | EngineError | None


class Verdict(NamedTuple):
    """What nodes agree on about a signature; undecided, they contradict each other."""

    status: SignatureStatus | None
    is_decided: bool


def judge_status(entries: Sequence[SignatureStatus | None]) -> Verdict:
    """What the statuses of a signature by several nodes show together.

    Undecided, the status is one that shows no outcome.
    """
    quorum = min(QUORUM, len(entries))
    landed: dict[Hashable, list[SignatureStatus]] = {}
    for each in entries:
        if each is not None and each.commitment is not Commitment.PROCESSED:
            landed.setdefault((each.slot, repr(each.err)), []).append(each)
    for group in landed.values():
        if len(group) >= quorum:
            return Verdict(min(group, key=_is_final), is_decided=True)
    if sum(each is None for each in entries) >= quorum:
        return Verdict(None, is_decided=True)
    slot = max(each.slot for each in entries if each is not None)
    unknown = SignatureStatus(slot, None, Commitment.PROCESSED)
    return Verdict(unknown, is_decided=not landed)


def _is_final(status: SignatureStatus) -> bool:
    return status.commitment is Commitment.FINALIZED


def join_statuses(answers: Sequence[SignatureStatuses]) -> tuple[SignatureStatuses, bool]:
    """The statuses that nodes agree on, as of the oldest slot; and whether they agree on all."""
    verdicts = [
        judge_status(entries) for entries in zip(*(a.entries for a in answers), strict=True)
    ]
    joined = SignatureStatuses(
        min(each.slot for each in answers), [verdict.status for verdict in verdicts]
    )
    return joined, all(verdict.is_decided for verdict in verdicts)


class TransactionVerdict(NamedTuple):
    """A landed transaction that nodes agree on, ``None`` or an error; and whether they do agree."""

    answer: TransactionAnswer
    is_decided: bool


def judge_transaction(entries: Sequence[TransactionAnswer], *, is_last: bool) -> TransactionVerdict:
    """What the answers of several nodes about a transaction show together.

    An error is no answer. With ``is_last``, no other node can be asked.
    """
    answered = [each for each in entries if not isinstance(each, EngineError)]
    if not answered:
        return TransactionVerdict(entries[0], is_decided=is_last)
    quorum = QUORUM if not is_last else min(QUORUM, len(answered))
    groups: dict[Hashable, list[LandedTransaction]] = {}
    for each in answered:
        if each is not None:
            groups.setdefault(_describe_effect(each), []).append(each)
    for group in groups.values():
        if len(group) >= quorum:
            return TransactionVerdict(group[0], is_decided=True)
    nothing = sum(each is None for each in answered)
    return TransactionVerdict(None, is_decided=is_last or (nothing >= quorum and not groups))


def _describe_effect(landed: LandedTransaction) -> Hashable:
    """What a transaction did, as every node must tell it."""
    tokens = tuple(sorted(landed.tokens_after.items()))
    return landed.slot, repr(landed.err), landed.fee_lamports, landed.lamports_after, tokens
