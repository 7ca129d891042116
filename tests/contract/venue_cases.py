"""Every venue with its particulars, and its pools as a node has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from solders.pubkey import Pubkey

from backend.venues import AMM_V4, CLMM, CPMM, DAMM_V2, DLMM
from backend.venues.hosting import HostedPool, HostedVenue
from backend.venues.spl import CLOCK, CLOCK_SYSVAR, SYSVAR_OWNER, Clock, make_account
from backend.venues.venue import Account, Accounts, SwapAccounts
from tests.pools import SOL, USDC

TRADER = SwapAccounts(*(Pubkey(bytes([n] * 32)) for n in (1, 2, 3)))
NOW = Clock(slot=70, epoch=3, unix_time=1_000)
ONE_SOL = 10**9


@dataclass(frozen=True)
class Case:
    """A venue and its particulars that the specification does not cover."""

    venue: HostedVenue
    fee_e9: int
    size: int
    status_offset: int
    status_disabled: int
    needed: int | None = None
    """How many of the listed accounts have to exist, if not all."""
    opens_late_s: int = 0
    """How long after its opening time a pool opens."""
    price_step_bps: int = 0
    """How far the prices are apart that a pool can have."""
    impact_e9: tuple[int, int] = (19_000, 20_001)
    """The least and the most impact of one part in 50,000 of the depth."""
    shows_locked: bool = True
    """Whether an account shows what of the liquidity nobody can withdraw."""
    reserve_bps: int = 10_000
    """How much the pool holds of the reserves that would have its depth at every price."""
    takes_token_2022: bool = True

    def __str__(self) -> str:
        return f"{self.venue.dex}/{self.venue.name}"

    def create_pool(self, open_time: int = 0) -> HostedPool:
        pool = self.venue.create_pool(
            SOL, USDC, 50_000 * ONE_SOL, 5_000_000 * 10**6, fee_e9=self.fee_e9, open_time=open_time
        )
        return pool.with_clock(NOW)


CASES = [
    Case(CPMM, 3_000_000, 637, 329, 4),
    Case(DAMM_V2, 2_000_000, 1112, 481, 1),
    Case(AMM_V4, 2_500_000, 752, 0, 2, takes_token_2022=False),
    Case(
        DLMM,
        2_000_000,
        904,
        82,
        1,
        needed=4,
        price_step_bps=10,
        impact_e9=(0, 100),
        shows_locked=False,
        reserve_bps=1_578,
    ),
    Case(
        CLMM,
        2_500_000,
        1544,
        389,
        16,
        needed=5,
        opens_late_s=1,
        shows_locked=False,
        reserve_bps=5_110,
    ),
]


def encode_quote_accounts(pool: HostedPool, clock: Clock = NOW) -> Accounts:
    return {
        **pool.encode_accounts(),
        CLOCK_SYSVAR: make_account(SYSVAR_OWNER, CLOCK.write(clock)),
    }


def get_own_account(case: Case) -> tuple[Pubkey, Account]:
    pool = case.create_pool()
    return pool.address, pool.encode_accounts()[pool.address]


def read_accounts(pool: HostedPool, keys: Sequence[Pubkey]) -> dict[Pubkey, Account | None]:
    """What a node returns for ``keys``: ``None`` where there is no account."""
    accounts = encode_quote_accounts(pool)
    return {key: accounts.get(key) for key in keys}
