"""Logs and metrics of wallets: one function for each event."""

from __future__ import annotations

from functools import cache
from typing import Final

from prometheus_client import Counter, Gauge

from backend.domain.amounts import Token, format_amount
from backend.domain.tokens import SOL
from backend.runtime.structured_log import structlog

_log: Final[structlog.stdlib.BoundLogger] = structlog.get_logger("order-engine")

_differences = Counter(
    "wallet_balance_differences", "Changes of a balance that no order explains", ["token"]
)
_sol = Gauge("wallet_sol", "SOL of a wallet, as it was read last", ["wallet"])
_reserve = Gauge("wallet_reserve_sol", "SOL that no order may take from a wallet")


@cache
def _get_sol(wallet: str) -> Gauge:
    return _sol.labels(wallet)


def lamports_read(wallet: str, lamports: int) -> None:
    """The SOL of a wallet was read."""
    _get_sol(wallet).set(lamports / 10**SOL.decimals)


def reserve_known(lamports: int) -> None:
    """What no order may take from a wallet was read from the settings."""
    _reserve.set(lamports / 10**SOL.decimals)


def balance_differs(wallet: str, token: Token, amount: int) -> None:
    """A balance has changed by base units that no order explains: a deposit, or a withdrawal."""
    _differences.labels(token.symbol).inc()
    sign = "-" if amount < 0 else "+"
    _log.warning(
        "a balance changed by what no order explains",
        wallet=wallet,
        token=token.symbol,
        amount=sign + format_amount(abs(amount), token.decimals),
    )


def fees_unknown(wallet: str, lamports: int) -> None:
    """A small change of SOL is taken as it is: the fees of archived attempts may explain it."""
    _log.warning(
        "a change of SOL is within the fees of attempts that were archived",
        wallet=wallet,
        amount=("-" if lamports < 0 else "+") + format_amount(abs(lamports), SOL.decimals),
    )


def reconciliation_failed(error: Exception) -> None:
    """Balances could not be compared with orders; the next interval tries again."""
    _log.warning("balances were not reconciled", error=repr(error))
