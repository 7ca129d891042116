"""The report of ``order-engine doctor --live``: sections of rows, and what is wrong.

Nothing is sent: the swap of a pair is simulated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from solders.pubkey import Pubkey

from backend.chain.wire import get_cluster_name
from backend.config import ConfigurationError, Settings
from backend.domain.errors import EngineError
from backend.domain.orders import OrderTerms
from backend.engine.examination.findings import Finding, judge_nodes
from backend.engine.examination.market_services import MarketServices, open_market_services
from backend.engine.examination.node_examination import NodeExamination, examine_nodes
from backend.engine.examination.orders import Pair, build_terms, describe_amount
from backend.engine.examination.pool_listing import list_pools
from backend.engine.examination.rows import (
    Rows,
    describe_node,
    describe_pools,
    describe_swap,
    describe_wallet,
)
from backend.engine.examination.swap_simulation import SimulatedSwap, SwapSimulator
from backend.engine.examination.wallet_examination import examine_wallets
from backend.engine.nodes.cluster import find_missing_programs, name_venue
from backend.engine.wallets.signing_wallets import select_wallets


class Section(NamedTuple):
    """What was found of one thing."""

    title: str
    rows: Rows


@dataclass(slots=True)
class LiveReport:
    """What was found, and what is wrong with it."""

    sections: list[Section] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def has_faults(self) -> bool:
        """Whether something is wrong that orders would suffer from."""
        return any(each.is_fault for each in self.findings)

    def add(self, title: str, rows: Rows) -> None:
        """Add a section."""
        self.sections.append(Section(title, rows))

    def add_fault(self, text: str) -> None:
        """Add what is wrong."""
        self.findings.append(Finding(is_fault=True, text=text))


async def report_live(
    settings: Settings, urls: Sequence[str], pair: Pair, amount: str
) -> LiveReport:
    """Examine nodes, wallets, and the pools of a pair with a swap of it that is not sent.

    Raises ``InvalidInput`` for what is wrong with the pair or the amount.
    """
    report = LiveReport()
    nodes = await examine_nodes(settings, urls)
    report.add("Cluster", _describe_cluster(nodes))
    for node in nodes:
        report.add(f"Node {node.name}", describe_node(node))
    report.findings += judge_nodes(settings, nodes)
    if any(node.is_usable for node in nodes):
        try:
            async with open_market_services(settings, urls) as market:
                await _report_programs(report, market)
                terms = await build_terms(market, pair, amount)
                wallets = await _report_wallets(report, market)
                await _report_market(report, market, terms, wallets)
        except ConfigurationError as error:
            report.add_fault(str(error))
    return report


def _describe_cluster(nodes: Sequence[NodeExamination]) -> Rows:
    genesis = next((node.genesis for node in nodes if node.is_usable), "")
    name = f"{get_cluster_name(genesis)}, genesis {genesis}" if genesis else "unknown"
    return [("cluster", name)]


async def _report_programs(report: LiveReport, market: MarketServices) -> None:
    """Report on the exchange programs: which of them the cluster has, and where."""
    venues = market.cluster.venues.all
    try:
        missing = await find_missing_programs(market.cluster, market.rpc)
    except EngineError as error:
        report.add_fault(f"the exchange programs cannot be looked for: {error.reason}")
        return
    report.add(
        f"Programs of {market.cluster.name}",
        [
            (name_venue(venue), "missing" if venue.program in missing else str(venue.program))
            for venue in venues
        ],
    )
    for sentence in missing.values():
        text = f"{sentence}; name its address in ORDER_ENGINE_PROGRAM_IDS if it is elsewhere"
        report.findings.append(Finding(is_fault=len(missing) == len(venues), text=text))


async def _report_wallets(report: LiveReport, market: MarketServices) -> list[Pubkey]:
    """Report on the wallets that a worker would sign with; returns their addresses."""
    try:
        opened = await select_wallets(market.settings, market.rpc, signs=False)
        addresses = [wallet.address for wallet in opened.wallets]
        wallets = await examine_wallets(market, addresses)
    except (ConfigurationError, EngineError) as error:
        reason = error.reason if isinstance(error, EngineError) else str(error)
        report.add_fault(f"no wallet can be used: {reason}")
        return []
    for wallet in wallets:
        report.add(f"Wallet {wallet.address}", describe_wallet(wallet, list(market.tokens)))
        if not wallet.sellable_lamports:
            report.add_fault(
                f"the wallet {wallet.address} holds no SOL beyond fees and its reserve: send it"
                " some, or lower ORDER_ENGINE_SOL_RESERVE"
            )
    return addresses


async def _report_market(
    report: LiveReport, market: MarketServices, terms: OrderTerms, wallets: Sequence[Pubkey]
) -> None:
    pair = f"{terms.token_in.symbol} and {terms.token_out.symbol}"
    try:
        pools = await list_pools(market, terms.token_in, terms.token_out)
        offers = await market.router.collect_offers(terms)
    except EngineError as error:
        report.add_fault(f"the pools of {pair} cannot be read: {error.reason}")
        return
    report.add(f"Pools of {pair}", describe_pools(pools, offers))
    if not any(not each.left_out for each in pools):
        report.add_fault(f"no pool of {pair} can be quoted: name another pair, or pin a pool")
        return
    if not wallets:
        return
    what = describe_amount(terms)
    try:
        swap = await SwapSimulator(market, wallets[0]).simulate(terms)
    except EngineError as error:
        report.add_fault(f"{what} cannot be simulated: {error.reason}")
        return
    report.add(f"Swap of {what}, simulated and not sent", describe_swap(terms, swap))
    _judge_swap(report, what, swap)


def _judge_swap(report: LiveReport, what: str, swap: SimulatedSwap) -> None:
    if swap.error is not None:
        report.add_fault(f"the swap of {what} would fail ({swap.error.code}): {swap.error.reason}")
