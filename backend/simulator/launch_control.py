"""The requests of the control interface that launch tokens and pools, and traps for snipers."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field
from solders.pubkey import Pubkey

from backend.domain.amounts import BPS, U64_MAX, format_amount
from backend.domain.quotes import E9, Dex
from backend.simulator.chain.chain import Chain
from backend.simulator.chain.launches import LaunchedMint, LaunchedPool, find_venue
from backend.simulator.control_requests import ControlRequest, HexText, JsonObject
from backend.simulator.faults import find_token
from backend.simulator.market.pool_plan import POOL_FEES_E9
from backend.venues.hosting import HostedVenue

_TRAP_FEE_BPS: Final = 2_500
_HIGH_FEE_BPS: Final = 9_000
_SHALLOWNESS: Final = 10_000
_SHARED_FEE_PROGRAMS: Final = frozenset({"cpmm", "clmm"})
"""Those whose fee is that of a configuration, which all default pools share."""

BasisPoints = Annotated[int, Field(ge=0, le=BPS)]
BaseUnits = Annotated[int, Field(ge=1, le=U64_MAX)]


def _require_address(text: str) -> str:
    try:
        return str(Pubkey.from_string(text))
    except ValueError:
        raise ValueError("is not an address in base58") from None


def _find_mint(name: str) -> str:
    return _require_address(name) if len(name) > 31 else find_token(name).mint


MintAddress = Annotated[str, AfterValidator(_require_address)]
MintName = Annotated[str, AfterValidator(_find_mint), Field(max_length=44)]


class ExtensionRequest(ControlRequest):
    """An extension of Token-2022 by its number, with its value as hexadecimal text."""

    kind: Annotated[int, Field(ge=1, le=65_535)]
    value: HexText = ""


class MintRequest(ControlRequest):
    """A new token. With a transfer fee, a hook or other extensions it is one of Token-2022."""

    decimals: Annotated[int, Field(ge=0, le=18)] = 6
    mint_authority: bool = False
    freeze_authority: bool = False
    transfer_fee_bps: BasisPoints | None = None
    transfer_fee_max: Annotated[int, Field(ge=0, le=U64_MAX)] = U64_MAX
    hook: bool = False
    extensions: Annotated[tuple[ExtensionRequest, ...], Field(max_length=16)] = ()


class LaunchRequest(ControlRequest):
    """A new pool of a token, which is launched with it unless ``mint`` names one.

    ``program`` names one of the venue's programs, the first one unless it is given. Amounts are
    base units. ``default`` is whether the pool is at the address that the venue derives
    from the two mints. A ``trap`` is a pool that a sniper should not buy from: its
    token can be frozen, issued anew or pays for each transfer, or it is shallow or dear.
    """

    venue: Dex
    program: Annotated[str, Field(max_length=16)] | None = None
    mint: MintAddress | None = None
    token: MintRequest = MintRequest()
    quote: MintName = "SOL"
    amount: BaseUnits = 10**15
    quote_amount: BaseUnits = 10**12
    fee_bps: Annotated[int, Field(ge=1, le=9_900)] | None = None
    opens_in_seconds: Annotated[int, Field(ge=0, le=86_400)] = 0
    locked_bps: BasisPoints = BPS
    default: bool = True
    trap: Literal["freeze_authority", "mint_authority", "transfer_fee", "shallow", "high_fee"] | (
        None
    ) = None


class AccountRequest(ControlRequest):
    """Replace the data of an account that is no pool's: of a mint, or of a token account."""

    address: MintAddress
    data: HexText


def launch_mint(chain: Chain, request: MintRequest) -> JsonObject:
    """Launch a token. Raises ``ValueError``."""
    return _describe_mint(_add_mint(chain, request))


def launch_pool(chain: Chain, request: LaunchRequest) -> JsonObject:
    """Launch a pool, and its token unless there is one. Raises ``ValueError``."""
    request = _set_trap(request)
    venue = find_venue(chain.dress.venues, request.venue, request.program)
    mint = request.mint or str(_add_mint(chain, request.token).address)
    slot = chain.clock.slot()
    launched = chain.launches.launch_pool(
        dex=request.venue,
        mint=mint,
        quote_mint=_find_mint(request.quote),
        amount=request.amount,
        quote_amount=request.quote_amount,
        fee_e9=_compute_fee(request, venue),
        open_time=chain.clock.unix_time(slot) + request.opens_in_seconds,
        locked_bps=request.locked_bps,
        is_default=request.default,
        program=request.program,
    )
    return {"slot": slot, **_describe_pool(chain, launched)}


def replace_data(chain: Chain, request: AccountRequest) -> JsonObject:
    """Replace the data of an account. Raises ``ValueError``."""
    key = Pubkey.from_string(request.address)
    account = chain.get_account(key)
    if account is None or chain.is_pool_account(key):
        raise ValueError("address: there is no account that may be changed")
    chain.override_accounts({key: replace(account, data=bytes.fromhex(request.data))})
    return {"account": request.address}


def list_launches(chain: Chain) -> JsonObject:
    """The pools that were launched, with what guards ask about."""
    mints = {str(each.address): each for each in chain.launches.mints}
    return {
        "pools": [
            {
                **_describe_pool(chain, each),
                "quoteUnits": str(each.terms.quote_amount),
                "feeBps": each.terms.fee_e9 * BPS // E9,
                "lockedBps": each.terms.locked_bps,
                **_describe_traits(mints.get(each.terms.mint)),
            }
            for each in chain.launches.pools
        ]
    }


def _describe_traits(mint: LaunchedMint | None) -> JsonObject:
    return {
        "mintAuthority": mint is not None and mint.has_mint_authority,
        "freezeAuthority": mint is not None and mint.has_freeze_authority,
        "transferFeeBps": 0 if mint is None else mint.transfer_fee_bps or 0,
    }


def _add_mint(chain: Chain, request: MintRequest) -> LaunchedMint:
    return chain.launches.launch_mint(
        decimals=request.decimals,
        has_mint_authority=request.mint_authority,
        has_freeze_authority=request.freeze_authority,
        transfer_fee_bps=request.transfer_fee_bps,
        transfer_fee_max=request.transfer_fee_max,
        has_hook=request.hook,
        extensions=[(each.kind, each.value) for each in request.extensions],
    )


def _set_trap(request: LaunchRequest) -> LaunchRequest:
    """The request with what makes its pool a trap. Raises ``ValueError``."""
    if request.trap in {"shallow", "high_fee"}:
        changes: dict[str, object] = {"fee_bps": _HIGH_FEE_BPS}
        if request.trap == "shallow":
            changes = {
                "amount": max(request.amount // _SHALLOWNESS, 1),
                "quote_amount": max(request.quote_amount // _SHALLOWNESS, 1),
            }
        return request.model_copy(update=changes)
    if request.trap is None:
        return request
    if request.mint is not None:
        raise ValueError("trap: is one of the token, which is there already")
    bps = _TRAP_FEE_BPS
    changes = {"transfer_fee_bps": bps} if request.trap == "transfer_fee" else {request.trap: True}
    return request.model_copy(update={"token": request.token.model_copy(update=changes)})


def _compute_fee(request: LaunchRequest, venue: HostedVenue) -> int:
    if request.fee_bps is None:
        return POOL_FEES_E9[venue.name]
    if venue.name in _SHARED_FEE_PROGRAMS and request.default:
        raise ValueError(f"fee_bps: all default pools of {venue.dex} {venue.name} have one fee")
    return request.fee_bps * E9 // BPS


def _describe_mint(mint: LaunchedMint) -> JsonObject:
    return {"mint": str(mint.address), "program": str(mint.encode().owner)}


def _describe_pool(chain: Chain, launched: LaunchedPool) -> JsonObject:
    terms = launched.terms
    decimals, quote_decimals = map(chain.launches.get_decimals, (terms.mint, terms.quote_mint))
    return {
        "pool": str(launched.pool.address),
        "venue": terms.dex.value,
        "program": launched.venue.name,
        "mint": terms.mint,
        "quote": terms.quote_mint,
        "amount": format_amount(terms.amount, decimals),
        "quoteAmount": format_amount(terms.quote_amount, quote_decimals),
        "opensAt": terms.open_time,
    }
