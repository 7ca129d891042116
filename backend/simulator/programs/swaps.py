"""The venues' programs: the swap itself is the venue's own maths, the rest is what guards it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Never

from solders.pubkey import Pubkey

from backend.domain.errors import Rejected
from backend.domain.quotes import Dex
from backend.simulator.programs import token
from backend.simulator.programs.context import Context, InstructionFailed, Swapped, fail
from backend.venues.hosting import HostedPool, HostedVenue, SwapCall
from backend.venues.venue import Account, Trader


@dataclass(frozen=True, slots=True)
class _Complaint:
    """An error of an Anchor program."""

    number: int
    name: str
    text: str

    def raise_(self) -> Never:
        """Fail with it, and log it as Anchor does."""
        fail(
            self.number,
            f"Program log: AnchorError occurred. Error Code: {self.name}. "
            f"Error Number: {self.number}. Error Message: {self.text}.",
        )


_NOT_A_SWAP: Final = _Complaint(
    101, "InstructionFallbackNotFound", "Fallback functions are not supported"
)
_WRONG_ACCOUNT: Final = _Complaint(2012, "ConstraintAddress", "An address constraint was violated")
_NOT_SIGNED: Final = _Complaint(3010, "AccountNotSigner", "The given account did not sign")
_NO_ACCOUNT: Final = _Complaint(
    3012, "AccountNotInitialized", "The program expected this account to be already initialized"
)
_NOT_ABOVE: Final = _Complaint(2505, "RequireGtViolated", "A require_gt expression was violated")

_SLIPPAGE: Final = "slippage"
_COMPLAINTS: Final[Mapping[Dex, Mapping[str, _Complaint]]] = {
    Dex.RAYDIUM: {
        _SLIPPAGE: _Complaint(6005, "ExceededSlippage", "Exceeds desired slippage limit"),
        "pool_disabled": _Complaint(6000, "NotApproved", "Not approved"),
        "not_open": _Complaint(6000, "NotApproved", "Not approved"),
        "zero_input": _NOT_ABOVE,
        "zero_output": _NOT_ABOVE,
        "no_liquidity": _Complaint(6012, "InsufficientVault", "Insufficient vault"),
        "amount_too_large": _Complaint(6011, "MathOverflow", "Math overflow"),
    },
    Dex.METEORA: {
        _SLIPPAGE: _Complaint(6002, "ExceededSlippage", "Exceeded slippage tolerance"),
        "pool_disabled": _Complaint(6003, "PoolDisabled", "Pool disabled"),
        "not_open": _Complaint(6003, "PoolDisabled", "Pool disabled"),
        "zero_input": _Complaint(6006, "AmountIsZero", "Amount is zero"),
        "zero_output": _Complaint(6002, "ExceededSlippage", "Exceeded slippage tolerance"),
        "no_liquidity": _Complaint(6023, "InsufficientLiquidity", "Insufficient liquidity"),
        "amount_too_large": _Complaint(6015, "PriceRangeViolation", "Price range is violated"),
    },
}

_TRANSFER: Final = "Program log: Instruction: TransferChecked"
_STANDINS: Final = Trader(*(Pubkey(bytes([mark] * 32)) for mark in (251, 252, 253)))


class SwapProgram:
    """One venue's program."""

    def __init__(self, venue: HostedVenue) -> None:
        self.venue: Final = venue
        self._expected: dict[tuple[Pubkey, Pubkey], tuple[tuple[int, Pubkey], ...]] = {}

    def execute(self, ctx: Context, keys: Sequence[Pubkey], data: bytes) -> None:
        """A swap of an exact input."""
        try:
            call = self.venue.parse_swap(keys, data, _Seen(ctx))
        except Rejected:
            _NOT_A_SWAP.raise_()
        pool = ctx.pool(call.pool)
        if pool is None:
            _NO_ACCOUNT.raise_()
        if call.mint_in not in pool.mints:
            _WRONG_ACCOUNT.raise_()
        begun = _begin(ctx, pool, call)
        self._check_accounts(ctx, pool, call, keys)
        _force(ctx, self.venue.dex)
        amount_out, after = _swap(self.venue.dex, pool, call)
        done = replace(begun, amount_out=amount_out)
        _move(ctx, call, done)
        ctx.pools[call.pool] = after
        ctx.swaps[-1] = done

    def _check_accounts(
        self, ctx: Context, pool: HostedPool, call: SwapCall, keys: Sequence[Pubkey]
    ) -> None:
        if call.trader.owner not in ctx.signers:
            _NOT_SIGNED.raise_()
        for at, expected in self._fixed_accounts(pool, call.mint_in):
            if keys[at] != expected:
                _WRONG_ACCOUNT.raise_()
        for key in (call.trader.account_in, call.trader.account_out):
            if not token.is_holding(ctx.get(key)):
                _NO_ACCOUNT.raise_()

    def _fixed_accounts(self, pool: HostedPool, mint_in: Pubkey) -> tuple[tuple[int, Pubkey], ...]:
        """The accounts of a swap that are the pool's own and the same for every trader."""
        expected = self._expected.get((pool.address, mint_in))
        if expected is None:
            metas = pool.swap(_STANDINS, mint_in, 1, 1).accounts
            free = {_STANDINS.owner, _STANDINS.account_in, _STANDINS.account_out}
            expected = tuple((i, m.pubkey) for i, m in enumerate(metas) if m.pubkey not in free)
            self._expected[pool.address, mint_in] = expected
        return expected


class _Seen(Mapping[Pubkey, Account | None]):
    """A transaction's accounts as the mapping that a venue reads."""

    __slots__ = ("_ctx",)

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    def __getitem__(self, key: Pubkey) -> Account | None:
        return self._ctx.get(key)

    def __iter__(self) -> Never:
        raise TypeError("the accounts of a chain are not listed")

    def __len__(self) -> Never:
        raise TypeError("the accounts of a chain are not counted")


def _begin(ctx: Context, pool: HostedPool, call: SwapCall) -> Swapped:
    """Note the swap before anything can fail, so that a failed one is on record too."""
    mint_a, mint_b = pool.mints
    mint_out = mint_b if call.mint_in == mint_a else mint_a
    begun = Swapped(call.pool, call.trader.owner, call.mint_in, mint_out, call.amount_in, 0)
    ctx.swaps.append(begun)
    return begun


def _force(ctx: Context, dex: Dex) -> None:
    """Fail for no reason of the chain's own, as a test has asked for."""
    match ctx.view.forced():
        case "slippage":
            _COMPLAINTS[dex][_SLIPPAGE].raise_()
        case "funds":
            poor = InstructionFailed(1, ("Program log: Error: insufficient funds",))
            raise token.called(poor, _TRANSFER)
        case "compute":
            fail("ProgramFailedToComplete", "Program log: exceeded CUs meter at BPF instruction")
        case _:
            return


def _swap(dex: Dex, pool: HostedPool, call: SwapCall) -> tuple[int, HostedPool]:
    complaints = _COMPLAINTS[dex]
    if call.amount_in == 0:
        complaints["zero_input"].raise_()
    try:
        amount_out, after = pool.swapped(call.mint_in, call.amount_in)
    except Rejected as refusal:
        complaints.get(refusal.code, complaints["amount_too_large"]).raise_()
    if amount_out < call.min_amount_out:
        complaints[_SLIPPAGE].raise_()
    return amount_out, after


def _move(ctx: Context, call: SwapCall, done: Swapped) -> None:
    """Pay in and out. The vaults follow: what comes in stays there, the fees of it included."""
    trader = call.trader
    try:
        token.debit(ctx, trader.account_in, done.mint_in, trader.owner, done.amount_in)
        token.credit(ctx, trader.account_out, done.mint_out, done.amount_out)
    except InstructionFailed as error:
        raise token.called(error, _TRANSFER) from None
    for mint, change in ((done.mint_in, done.amount_in), (done.mint_out, -done.amount_out)):
        vault = ctx.view.vault(done.pool, mint)
        account = ctx.get(vault)
        assert account is not None, "a pool has its vaults"
        ctx.vaults[vault] = token.with_amount(account, token.amount_of(account) + change)
