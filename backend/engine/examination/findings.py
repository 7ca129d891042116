"""What is wrong with the nodes that were examined, each in a sentence with what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Final, NamedTuple

from backend.chain.nodes.pool_node import Exclusion
from backend.config import Settings
from backend.engine.examination.abilities import Ability
from backend.engine.examination.node_examination import NodeExamination


class Finding(NamedTuple):
    """A sentence; a fault costs orders something, anything else the engine makes up for."""

    is_fault: bool
    text: str


_EXCLUDED: Final = {
    Exclusion.UNREACHABLE: "does not answer in time: try it again, or leave it out of"
    " SOLANA_RPC_URL",
    Exclusion.BEHIND: "is {lag:,} slots behind the newest node: wait until it has caught up, or"
    " leave it out of SOLANA_RPC_URL (ORDER_ENGINE_NODE_LAG_SLOTS_MAX is {lag_max})",
    Exclusion.FORKED: "is on another fork, its blockhashes are unknown to the others: leave it out"
    " of SOLANA_RPC_URL until it has joined them",
    Exclusion.FOREIGN: "is of another cluster than the others, genesis {genesis}: take it out of"
    " SOLANA_RPC_URL",
}
_ADVICE: Final = {
    "rate_limited": "ask its provider for more calls, or set ORDER_ENGINE_RPC_RATE_LIMIT to those"
    " that there are",
    "node_forbidden": "check the key in its address in SOLANA_RPC_URL",
    "node_unreachable": "check its address in SOLANA_RPC_URL, and that it runs",
}
"""What to do about a node that cannot be used, by the code of its error."""
_OTHER_ADVICE: Final = "try it again, and check that its address in SOLANA_RPC_URL is of JSON-RPC"
_NEEDED: Final = {
    Ability.HISTORY: "orders are confirmed without the amount that they received: add a node that"
    " keeps the history of transactions to SOLANA_RPC_URL",
    Ability.LISTING: "only the pools at derived addresses are found, which may be shallow: add a"
    " node that lists what programs own to SOLANA_RPC_URL, or pin pools in ORDER_ENGINE_POOLS_FILE",
    Ability.SIMULATION: "no swap can be tried before it is signed: add a node that simulates"
    " transactions to SOLANA_RPC_URL",
    Ability.FEES: "the priority fee cannot follow the market: add a node that tells recent fees to"
    " SOLANA_RPC_URL, or set ORDER_ENGINE_PRIORITY_FEE=fixed",
}
"""What it means for orders that no node does something, and what to do about it."""
_HARMLESS: Final = {
    Ability.ARRAYS: "every call is a request of its own, which counts against its limits",
    Ability.SUBSCRIPTIONS: "pools and signatures are polled, which is slower",
    Ability.BLOCKS: "each order asks for its notification, and then for what landed",
    Ability.FEES: "the fixed priority fee needs none",
    Ability.LISTING: "pinned pools and those at derived addresses are quoted",
}
"""What the engine does where a node refuses something."""


def judge_nodes(settings: Settings, nodes: Sequence[NodeExamination]) -> list[Finding]:
    """Judge nodes by what orders need, the faults first."""
    found = [*_judge_each(settings, nodes), *_judge_together(settings, nodes)]
    return sorted(found, key=lambda each: not each.is_fault)


def _judge_each(settings: Settings, nodes: Sequence[NodeExamination]) -> Iterator[Finding]:
    for node in nodes:
        if node.error is not None:
            advice = _ADVICE.get(node.error.code, _OTHER_ADVICE)
            text = f"{node.name} cannot be used ({node.error.reason}): {advice}"
            yield Finding(is_fault=True, text=text)
        elif node.exclusion is not None:
            what = _EXCLUDED[node.exclusion].format(
                lag=node.lag_slots, lag_max=settings.node_lag_slots_max, genesis=node.genesis
            )
            yield Finding(is_fault=True, text=f"{node.name} {what}")


def _judge_together(settings: Settings, nodes: Sequence[NodeExamination]) -> Iterator[Finding]:
    """Judge what nodes refuse: as long as one does not, the others do no harm by it."""
    answering = [node for node in nodes if node.error is None]
    usable = [node for node in answering if node.is_usable]
    if not usable:
        yield Finding(
            is_fault=True,
            text="no node can be used, so every order waits: name one in SOLANA_RPC_URL",
        )
    for one, other in combinations(usable, 2):
        if other.name in one.strangers or one.name in other.strangers:
            yield Finding(
                is_fault=True,
                text=f"{one.name} and {other.name} do not know each other's blockhashes, and no"
                " two others say which of them is on another fork: add a node to SOLANA_RPC_URL",
            )
    for ability in Ability:
        refusing = [node for node in answering if _refuses(node, ability)]
        names = ", ".join(node.name for node in refusing)
        if not refusing:
            continue
        is_missing = all(ability in node.refusals for node in usable)
        if is_missing and usable and _is_needed(settings, ability):
            reason = refusing[0].refusals[ability]
            text = f"no node answers {ability} ({reason}): {_NEEDED[ability]}"
            yield Finding(is_fault=True, text=text)
        else:
            harm = _HARMLESS.get(ability) if is_missing or ability not in _NEEDED else None
            text = f"{names} refuses {ability}: {harm or 'another node is asked'}"
            yield Finding(is_fault=False, text=text)


def _refuses(node: NodeExamination, ability: Ability) -> bool:
    """Whether a node refuses something, other than blocks as it has no subscriptions at all."""
    if ability is Ability.BLOCKS:
        reason = node.refusals.get(ability)
        return reason is not None and reason != node.refusals.get(Ability.SUBSCRIPTIONS)
    return ability in node.refusals


def _is_needed(settings: Settings, ability: Ability) -> bool:
    """Whether orders suffer where no node does something."""
    if ability is Ability.FEES:
        return settings.priority_fee == "auto"
    if ability is Ability.LISTING:
        return settings.pool_search_s > 0 and not settings.pools_file
    return ability in _NEEDED
