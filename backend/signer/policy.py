"""What the signer permits, and what a permitted transaction spends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Never

from solders.pubkey import Pubkey

from backend.chain.signing.signer import SIGNER_REFUSED
from backend.chain.token_accounts import derive_token_address
from backend.domain.errors import Rejected
from backend.venues.hosting import HostedVenue
from backend.venues.spl import TOKEN_PROGRAMS


@dataclass(frozen=True, slots=True)
class SigningPolicy:
    """What the signer permits.

    ``day_limits`` are the most base units of each mint that are sold on a day, for each wallet;
    others are sold without a limit if ``permits_others``. ``day_lamports`` are the most for fees,
    tips and rent of a day, ``fee_lamports_max`` those for fee and tip of one transaction.
    """

    venues: Mapping[Pubkey, HostedVenue]
    day_limits: Mapping[Pubkey, int]
    permits_others: bool
    day_lamports: int
    fee_lamports_max: int
    tip_accounts: frozenset[Pubkey]


class WalletAccounts:
    """A wallet's address, and its associated accounts of the mints that have limits."""

    def __init__(self, address: Pubkey, policy: SigningPolicy) -> None:
        self.address: Final = address
        self.mints: Final[Mapping[Pubkey, Pubkey]] = {
            derive_token_address(address, mint, program): mint
            for mint in policy.day_limits
            for program in TOKEN_PROGRAMS
        }


@dataclass(slots=True)
class Spending:
    """What a transaction spends at most.

    ``fee_lamports`` are its fee and its tip, ``opened`` the associated accounts that it opens if
    they are missing, and ``sold`` base units by mint, of the mints that have limits.
    """

    fee_lamports: int = 0
    opened: list[Pubkey] = field(default_factory=list)
    sold: dict[Pubkey, int] = field(default_factory=dict)


def refuse(reason: str) -> Never:
    """Raise ``Rejected`` (``signer_refused``)."""
    raise Rejected(SIGNER_REFUSED, f"the signer refuses: {reason}")
