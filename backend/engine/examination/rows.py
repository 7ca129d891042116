"""What was examined as rows of a name and a text for people."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Final, TypeAlias

from backend.domain.amounts import BPS, Token, format_amount
from backend.domain.orders import OrderTerms
from backend.domain.tokens import SOL
from backend.engine.examination.abilities import Ability
from backend.engine.examination.node_examination import NodeExamination
from backend.engine.examination.pool_listing import ListedPool
from backend.engine.examination.swap_simulation import SimulatedSwap
from backend.engine.examination.wallet_examination import WalletExamination
from backend.routing.offers import Offers
from backend.routing.route import Route

Rows: TypeAlias = list[tuple[str, str]]
_MS: Final = 1000
_BPS_DECIMALS: Final = 4


def describe_node(node: NodeExamination) -> Rows:
    """What a node is and can do."""
    if node.error is not None:
        return [("state", f"cannot be used: {node.error.reason}")]
    state = "used" if node.exclusion is None else f"left out: {node.exclusion}"
    if node.lag_slots:
        state += f", {node.lag_slots:,} slots behind the newest"
    median, most = (f"{s * _MS:.1f} ms" for s in (node.latency_s, max(node.latencies_s)))
    return [
        ("state", state),
        ("version", node.version),
        ("slot", f"{node.slot:,}"),
        ("latency", f"{median}, {most} at most"),
        *(
            (ability.value, f"no: {node.refusals[ability]}")
            if ability in node.refusals
            else (ability.value, "yes")
            for ability in Ability
        ),
    ]


def describe_wallet(wallet: WalletExamination, tokens: Sequence[Token]) -> Rows:
    """What a wallet holds, what is reserved of it, and what of its SOL can be sold."""
    rows: Rows = []
    for token, held in wallet.list_held(tokens):
        text = format_amount(held, token.decimals)
        if taken := wallet.reserved.get(token, 0):
            text += f", of which orders in flight reserve {format_amount(taken, token.decimals)}"
        rows.append((token.symbol, text))
    reserve, sellable = (
        format_amount(lamports, SOL.decimals)
        for lamports in (wallet.free.reserve_lamports, wallet.sellable_lamports)
    )
    rows.append(("SOL kept for fees and rent", f"{reserve}; an order may sell {sellable} SOL"))
    in_flight = f"not known: {wallet.unknown}" if wallet.unknown else f"{wallet.orders:,}"
    return [*rows, ("orders in flight", in_flight)]


def describe_pools(pools: Sequence[ListedPool], offers: Offers) -> Rows:
    """The pools of an order's pair: what each quotes, or why it is left out."""
    terms = offers.terms
    quotes = {quote.pool: quote for quote in offers.quotes}
    missing = {each.pool: each.error.reason for each in offers.missing}
    sold, bought = terms.token_in, terms.token_out
    rows: Rows = []
    for pool in pools:
        address = str(pool.found.address)
        if pool.left_out:
            text = f"left out: {pool.left_out}"
        elif address in quotes:
            paid = format_amount(quotes[address].amount_out, bought.decimals)
            text = f"quoted: {paid} {bought.symbol}"
        else:
            text = f"quoted, not for this amount: {missing.get(address, 'it has no quote')}"
        if pool.depth is not None:
            text = f"depth {format_amount(pool.depth, sold.decimals)} {sold.symbol}, {text}"
        rows.append((pool.program, f"{address}, {text}"))
    return rows


def describe_route(route: Route) -> str:
    """The pools of a route, hop by hop."""
    return ", then ".join(
        " + ".join(f"{leg.quote.dex} {leg.quote.program} {leg.quote.pool}" for leg in hop.legs)
        for hop in route.hops
    )


def describe_swap(terms: OrderTerms, swap: SimulatedSwap) -> Rows:
    """A simulated swap: its quote against what it would pay, and what it costs."""
    token, route = terms.token_out, swap.route
    quoted = format_amount(route.amount_out, token.decimals)
    rows = [
        ("route", describe_route(route)),
        ("quote", f"{quoted} {token.symbol}, of slot {route.slot:,}"),
    ]
    if swap.effects is None:
        assert swap.error is not None, "a swap without effects has an error"
        rows.append(("simulated", f"fails ({swap.error.code}): {swap.error.reason}"))
    else:
        paid = format_amount(swap.effects.amount_out, token.decimals)
        text = f"{paid} {token.symbol}, in slot {swap.slot:,}: {describe_difference(swap)}"
        rows.append(("simulated", text))
        if swap.effects.amount_in != terms.amount_in:
            taken = format_amount(swap.effects.amount_in, terms.token_in.decimals)
            rows.append(("takes", f"{taken} {terms.token_in.symbol}, not the amount of the order"))
    units = "not told" if swap.units is None else f"{swap.units:,}"
    rows += [
        ("compute units", f"{units} of a limit of {swap.fee.unit_limit:,}"),
        ("fee", f"{swap.fee.lamports:,} lamports"),
    ]
    if swap.effects is not None:
        rows.append(("rent of opened accounts", f"{swap.effects.rent_lamports:,} lamports"))
    return rows


def describe_difference(swap: SimulatedSwap) -> str:
    """How much more or less than its quote a swap would pay, and how much later."""
    if not swap.difference:
        return "equal"
    later = swap.slot - swap.route.slot
    when = "in the slot of the quote" if not later else f"{format_count(later, 'slot')} later"
    bps = format_bps(swap.difference_part)
    return f"{swap.difference:+,} base units, {bps} bps, {when}"


def format_count(count: int, noun: str) -> str:
    """A number of things."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def format_bps(part: Fraction) -> str:
    """A part in basis points with four decimals, rounded towards 0."""
    scaled = abs(part) * BPS * 10**_BPS_DECIMALS
    text = format_amount(int(scaled), _BPS_DECIMALS)
    return f"-{text}" if part < 0 and text != "0" else text
