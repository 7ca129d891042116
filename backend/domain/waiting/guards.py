"""The guards of a sniper order: what a new pool must be like before anything is bought from it.

What a trade costs in a pool, its price impact and the minimum that it pays, is a matter of the
order's terms, as with every order.

A guard is optional. What it asks about and nobody knows fails it: an unknown pool gets no benefit
of the doubt.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from backend.domain.amounts import BPS, Token, ceil_div, format_amount, parse_amount
from backend.domain.errors import InvalidInput
from backend.domain.quotes import E9, Dex
from backend.domain.spelling import add_suggestion

LOOKS_MAX: Final = 10
"""Most reads in a row that can be asked to agree."""
POOL_AGE_MAX_S: Final = 31_536_000
"""The largest age that can be asked for: a year."""

_E9_PER_BPS: Final = E9 // BPS
_PERCENT_DECIMALS: Final = 2


@dataclass(frozen=True, slots=True)
class Guards:
    """The guards of one order; ``None`` asks for nothing.

    ``min_liquidity`` is in base units of the token that pays, of which the pool must hold as much.
    ``looks`` is the number of reads of different slots in a row that must all pass.
    """

    min_liquidity: int | None = None
    mint_authority_revoked: bool = False
    freeze_authority_none: bool = False
    max_transfer_fee_bps: int | None = None
    max_fee_bps: int | None = None
    lp_locked_min_bps: int | None = None
    max_pool_age_s: int | None = None
    dexes: frozenset[Dex] | None = None
    looks: int = 1

    def __post_init__(self) -> None:
        for bps in (
            self.max_transfer_fee_bps,
            self.max_fee_bps,
            self.lp_locked_min_bps,
        ):
            assert bps is None or 0 <= bps <= BPS
        assert self.min_liquidity is None or self.min_liquidity > 0
        assert self.max_pool_age_s is None or 0 < self.max_pool_age_s <= POOL_AGE_MAX_S
        assert self.dexes is None or self.dexes
        assert 1 <= self.looks <= LOOKS_MAX


@dataclass(frozen=True, slots=True)
class PoolFacts:
    """What one read shows of a pool and of the token that is bought from it.

    ``fee_e9`` is that of the quote for the order's whole amount, in parts per billion;
    ``liquidity`` is what the pool holds of ``token_in``, in base units; ``transfer_fee_bps`` the
    highest of both tokens. ``lp_locked_bps``, rounded down, and
    ``age_s``, the seconds since the pool opened, are ``None`` where they cannot be known.
    """

    dex: Dex
    token_in: Token
    fee_e9: int
    liquidity: int
    mint_authority: str | None
    freeze_authority: str | None
    transfer_fee_bps: int
    lp_locked_bps: int | None
    age_s: int | None


def check(guards: Guards, facts: PoolFacts) -> list[str]:
    """List why a pool does not pass: a sentence for each guard that fails, none if it passes."""
    return [*_check_market(guards, facts), *_check_mint(guards, facts), *_check_pool(guards, facts)]


def _check_market(guards: Guards, facts: PoolFacts) -> Iterator[str]:
    least = guards.min_liquidity
    if least is not None and facts.liquidity < least:
        token = facts.token_in
        held, wanted = (format_amount(each, token.decimals) for each in (facts.liquidity, least))
        yield f"the pool holds {held} {token.symbol}, less than the minimum of {wanted}"
    cap = guards.max_fee_bps
    if cap is not None and facts.fee_e9 > cap * _E9_PER_BPS:
        yield f"the pool's fee of {_format_e9(facts.fee_e9)} is above the cap of {_format_bps(cap)}"


def _check_mint(guards: Guards, facts: PoolFacts) -> Iterator[str]:
    if guards.mint_authority_revoked and facts.mint_authority is not None:
        yield f"{facts.mint_authority} can still mint more of the token"
    if guards.freeze_authority_none and facts.freeze_authority is not None:
        yield f"{facts.freeze_authority} can freeze accounts of the token"
    cap = guards.max_transfer_fee_bps
    if cap is not None and facts.transfer_fee_bps > cap:
        fee = _format_bps(facts.transfer_fee_bps)
        yield f"the transfer fee of {fee} is above the cap of {_format_bps(cap)}"


def _check_pool(guards: Guards, facts: PoolFacts) -> Iterator[str]:
    least = guards.lp_locked_min_bps
    if least is not None and facts.lp_locked_bps is None:
        yield "how much of the liquidity is locked is not known"
    elif least is not None and facts.lp_locked_bps is not None and facts.lp_locked_bps < least:
        locked = _format_bps(facts.lp_locked_bps)
        yield f"{locked} of the liquidity is locked, less than the minimum of {_format_bps(least)}"
    limit = guards.max_pool_age_s
    if limit is not None and facts.age_s is None:
        yield "the age of the pool is not known"
    elif limit is not None and facts.age_s is not None and facts.age_s > limit:
        yield f"the pool opened {facts.age_s} s ago, more than {limit} s"
    if guards.dexes is not None and facts.dex not in guards.dexes:
        allowed = ", ".join(sorted(guards.dexes))
        yield f"the pool is on {facts.dex}, which is not one of {allowed}"


def parse_guards(body: Mapping[str, object], token_in: Token) -> Guards:
    """Parse the guards of a request; amounts are in units of ``token_in``.

    Raises ``InvalidInput``, which names the guard.
    """
    values: dict[str, object] = {}
    for name, value in body.items():
        if name not in _PARSERS:
            known = ", ".join(_PARSERS)
            reason = add_suggestion(f"unknown guard; known are {known}", name, _PARSERS)
            raise InvalidInput(name, reason, "unknown_field")
        attribute, parse = _PARSERS[name]
        if value is None:
            continue
        try:
            values[attribute] = parse(value, token_in)
        except ValueError as error:
            raise InvalidInput(name, str(error)) from None
    return Guards(**values)  # type: ignore[arg-type]  # each parser returns its attribute's type


def guards_to_json(guards: Guards, token_in: Token) -> dict[str, object]:
    """Convert to the JSON that ``parse_guards`` reads; guards that ask for nothing are left out."""
    shown: dict[str, object] = {}
    for name, (attribute, _) in _PARSERS.items():
        value = getattr(guards, attribute)
        if value is None or value is False:
            continue
        if attribute == "min_liquidity":
            value = format_amount(value, token_in.decimals)
        elif attribute == "dexes":
            value = sorted(dex.value for dex in value)
        shown[name] = value
    return shown


def _parse_integer(value: object, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ValueError(f"must be a whole number from {low} to {high}")
    return value


def _parse_bps(value: object, _token: Token) -> int:
    return _parse_integer(value, 0, BPS)


def _parse_flag(value: object, _token: Token) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")  # noqa: TRY004 - the client's value, not ours
    return value


def _parse_liquidity(value: object, token: Token) -> int:
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise ValueError(f"must be an amount of {token.symbol}, as text")  # noqa: TRY004
    return parse_amount(value, token.decimals)


def _parse_dexes(value: object, _token: Token) -> frozenset[Dex]:
    names = ", ".join(Dex)
    if not isinstance(value, Collection) or isinstance(value, str | Mapping) or not value:
        raise ValueError(f"must be a list of at least one of {names}")
    for name in value:
        if name not in list(Dex):
            raise ValueError(f"{str(name)[:16]!r} is none of {names}")
    return frozenset(Dex(name) for name in value)


_PARSERS: Final[Mapping[str, tuple[str, Callable[[object, Token], object]]]] = {
    "minLiquidity": ("min_liquidity", _parse_liquidity),
    "mintAuthorityRevoked": ("mint_authority_revoked", _parse_flag),
    "freezeAuthorityNone": ("freeze_authority_none", _parse_flag),
    "maxTransferFeeBps": ("max_transfer_fee_bps", _parse_bps),
    "maxFeeBps": ("max_fee_bps", _parse_bps),
    "lpLockedMinBps": ("lp_locked_min_bps", _parse_bps),
    "maxPoolAgeS": ("max_pool_age_s", lambda value, _: _parse_integer(value, 1, POOL_AGE_MAX_S)),
    "dexes": ("dexes", _parse_dexes),
    "looks": ("looks", lambda value, _: _parse_integer(value, 1, LOOKS_MAX)),
}
GUARD_NAMES: Final = tuple(_PARSERS)
"""The guards by their names on the wire."""


def _format_bps(bps: int) -> str:
    return f"{format_amount(bps, _PERCENT_DECIMALS)} %"


def _format_e9(rate_e9: int) -> str:
    # Rounded up, so that no rate is shown as if it were equal to the cap that it exceeds.
    return _format_bps(ceil_div(rate_e9, _E9_PER_BPS))
