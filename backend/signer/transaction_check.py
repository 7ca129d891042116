"""Checks a transaction against the policy, instruction by instruction.

Each program is permitted to do what the engine's swaps need of it, and nothing else. What value is
paid into has to be a token account of the wallet, by derivation: an associated one, or a temporary
one of wrapped SOL that the same transaction opens and closes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from typing import Final

from solders.compute_budget import ID as COMPUTE_BUDGET
from solders.pubkey import Pubkey

from backend.chain.compute_budget import UNIT_LIMIT_MAX
from backend.chain.token_accounts import derive_token_address
from backend.domain.amounts import ceil_div, format_amount
from backend.domain.errors import Rejected
from backend.domain.fees.order_fees import MICROLAMPORTS, SIGNATURE_FEE
from backend.domain.tokens import SOL
from backend.signer.amounts import name_account, name_token
from backend.signer.messages import LOOKED_UP, Call, read_calls
from backend.signer.policy import SigningPolicy, Spending, WalletAccounts, refuse
from backend.signer.system_calls import (
    CREATE_WITH_SEED,
    TRANSFER,
    derive_with_seed,
    read_creation,
    read_transfer,
)
from backend.venues.hosting import HostedVenue
from backend.venues.spl import (
    ATA_PROGRAM,
    MEMO_PROGRAM,
    NATIVE_MINT,
    SYSTEM_PROGRAM,
    TOKEN_ACCOUNT,
    TOKEN_ACCOUNT_RENT,
    TOKEN_PROGRAM,
    TOKEN_PROGRAMS,
    make_token_account,
)
from backend.venues.venue import Account

_CREATE_IDEMPOTENT: Final = b"\x01"
_INITIALIZE_ACCOUNT_3: Final = b"\x12"
_CLOSE_ACCOUNT: Final = b"\x09"
_SET_UNIT_LIMIT: Final = 2
_SET_UNIT_PRICE: Final = 3


class _AnyAccount(Mapping[Pubkey, Account | None]):
    """Any account as a token account: venues ask for one to tell its mint, which is not used."""

    _account: Final = make_token_account(NATIVE_MINT, SYSTEM_PROGRAM, 0)

    def __getitem__(self, key: Pubkey) -> Account:
        return self._account

    def __iter__(self) -> Iterator[Pubkey]:
        return iter(())

    def __len__(self) -> int:
        return 0


_ANY_ACCOUNT: Final = _AnyAccount()


def check_transaction(
    payload: bytes,
    wallet: WalletAccounts,
    policy: SigningPolicy,
    mints: Sequence[Pubkey] = (),
) -> Spending:
    """Check the message of a transaction; returns what it spends at most.

    ``mints`` are what the client says of accounts whose mint is in a lookup table. It is not
    believed, but proved: no other mint has the same associated account.
    Raises ``Rejected`` (``signer_refused``) if the policy does not permit it.
    """
    check = _TransactionCheck(wallet, policy, mints)
    for call in read_calls(payload, wallet.address):
        check.permit(call)
    return check.finish()


class _TransactionCheck:
    def __init__(
        self, wallet: WalletAccounts, policy: SigningPolicy, mints: Sequence[Pubkey]
    ) -> None:
        self._wallet = wallet.address
        self._said_mints = mints
        self._policy = policy
        self._mints: dict[Pubkey, Pubkey] = dict(wallet.mints)
        """The mints of the token accounts that are the wallet's for certain."""
        self._created: dict[Pubkey, int] = {}
        """The lamports of temporary accounts which nobody has yet, above their rent."""
        self._wrapped: set[Pubkey] = set()
        """The temporary accounts that are the wallet's, and not closed yet."""
        self._minimum: dict[Pubkey, int] = {}
        """What an account has received of this transaction at least, and not paid out again."""
        self._unit_limit: int | None = None
        self._unit_price: int | None = None
        self._tip: int | None = None
        self._has_swap = False
        self._spending = Spending()
        self._rules: dict[Pubkey, Callable[[Call], None]] = {
            COMPUTE_BUDGET: self._permit_budget,
            MEMO_PROGRAM: _permit_memo,
            SYSTEM_PROGRAM: self._permit_system,
            TOKEN_PROGRAM: self._permit_token,
            ATA_PROGRAM: self._permit_association,
        }

    def permit(self, call: Call) -> None:
        """Permit an instruction, or raise ``Rejected``."""
        venue = self._policy.venues.get(call.program)
        if venue is not None:
            self._permit_swap(venue, call)
        elif (rule := self._rules.get(call.program)) is not None:
            rule(call)
        else:
            refuse(f"it calls the program {call.program}")

    def finish(self) -> Spending:
        """What the transaction spends, once all its instructions are permitted."""
        if not self._has_swap:
            refuse("it swaps nothing")
        if self._created or self._wrapped:
            refuse("it leaves a temporary account open")
        price = self._unit_price or 0
        limit = UNIT_LIMIT_MAX if self._unit_limit is None else self._unit_limit
        fee = SIGNATURE_FEE + ceil_div(limit * price, MICROLAMPORTS) + (self._tip or 0)
        if fee > self._policy.fee_lamports_max:
            asked, most = (
                format_amount(n, SOL.decimals) for n in (fee, self._policy.fee_lamports_max)
            )
            refuse(f"fee and tip are {asked} SOL, more than {most}")
        self._spending.fee_lamports = fee
        return self._spending

    def _permit_budget(self, call: Call) -> None:
        kind, value = call.data[:1], int.from_bytes(call.data[1:], "little")
        if kind == bytes([_SET_UNIT_LIMIT]) and len(call.data) == 5 and self._unit_limit is None:
            self._unit_limit = value
        elif kind == bytes([_SET_UNIT_PRICE]) and len(call.data) == 9 and self._unit_price is None:
            self._unit_price = value
        else:
            refuse("it asks for another budget than a limit and a price of compute units")

    def _permit_system(self, call: Call) -> None:
        kind = call.data[:4]
        if kind == TRANSFER:
            self._permit_tip(call)
        elif kind == CREATE_WITH_SEED:
            self._permit_wrapping(call)
        else:
            refuse("it calls the system program for something else than a tip or wrapped SOL")

    def _permit_tip(self, call: Call) -> None:
        payer, payee, lamports = read_transfer(call)
        if payer != self._wallet or payee not in self._policy.tip_accounts:
            refuse(f"it pays SOL to {payee}, which is no account that takes tips")
        if self._tip is not None:
            refuse("it pays more than one tip")
        self._tip = lamports

    def _permit_wrapping(self, call: Call) -> None:
        creation = read_creation(call)
        address = derive_with_seed(self._wallet, creation.seed)
        if {creation.payer, creation.base} != {self._wallet} or creation.address != address:
            refuse("it opens an account that is not derived from the wallet")
        if creation.owner != TOKEN_PROGRAM or creation.space != TOKEN_ACCOUNT.size:
            refuse("it opens an account that is no token account")
        if creation.lamports < TOKEN_ACCOUNT_RENT or address in self._wrapped | set(self._created):
            refuse("it opens an account without rent, or twice")
        self._created[address] = creation.lamports - TOKEN_ACCOUNT_RENT

    def _permit_token(self, call: Call) -> None:
        account, *others = call.accounts or (LOOKED_UP,)
        # A mint in a lookup table may be another one: the account is the wallet's in any case.
        is_native = others in ([NATIVE_MINT], [LOOKED_UP])
        if call.data == _INITIALIZE_ACCOUNT_3 + bytes(self._wallet) and is_native:
            if account in self._created:
                self._wrap(account)
                return
        elif (call.data, others) == (_CLOSE_ACCOUNT, [self._wallet, self._wallet]):  # noqa: SIM102
            if account in self._wrapped:
                self._unwrap(account)
                return
        refuse("it calls the token program for something else than to open or close wrapped SOL")

    def _unwrap(self, account: Pubkey) -> None:
        self._wrapped.remove(account)
        del self._mints[account], self._minimum[account]

    def _wrap(self, account: Pubkey) -> None:
        amount = self._created.pop(account)
        self._wrapped.add(account)
        self._mints[account] = NATIVE_MINT
        self._minimum[account] = self._minimum.get(account, 0) + amount
        self._sell(NATIVE_MINT, amount)

    def _permit_association(self, call: Call) -> None:
        accounts = call.accounts
        if call.data != _CREATE_IDEMPOTENT or len(accounts) != 6:
            refuse(
                "it calls the program of associated accounts for something else than to open one"
            )
        payer, account, owner, mint, system, program = accounts
        if {payer, owner} != {self._wallet} or system not in {SYSTEM_PROGRAM, LOOKED_UP}:
            refuse(f"it opens an account for {owner}")
        mints = self._said_mints if mint == LOOKED_UP else [mint]
        programs = TOKEN_PROGRAMS if program == LOOKED_UP else TOKEN_PROGRAMS & {program}
        for each, token_program in product(mints, programs):
            if account == derive_token_address(self._wallet, each, token_program):
                self._mints[account] = each
                self._spending.opened.append(account)
                return
        refuse(f"{account} is not the wallet's account of a mint that is known here")

    def _permit_swap(self, venue: HostedVenue, call: Call) -> None:
        try:
            swap = venue.parse_swap(call.accounts, call.data, _ANY_ACCOUNT)
        except Rejected as error:
            refuse(f"{error.reason} of {venue.dex}/{venue.name}")
        trader = swap.trader
        if trader.owner != self._wallet:
            refuse(f"it swaps for {trader.owner}")
        if trader.account_out not in self._mints:
            refuse(f"it pays into {trader.account_out}, which is no token account of the wallet")
        if not swap.min_amount_out:
            refuse("it swaps without a minimum")
        self._take(trader.account_in, swap.amount_in)
        received = self._minimum.get(trader.account_out, 0)
        self._minimum[trader.account_out] = received + swap.min_amount_out
        self._has_swap = True

    def _take(self, account: Pubkey, amount: int) -> None:
        """Count what a swap takes beyond what earlier instructions have certainly brought."""
        received = self._minimum.get(account, 0)
        self._minimum[account] = max(received - amount, 0)
        if amount > received:
            mint = self._mints.get(account)
            if mint is None and not (self._policy.permits_others and account != LOOKED_UP):
                sold = name_account(self._wallet, account)
                refuse(f"it sells {sold}, for which there is no limit")
            self._sell(mint, amount - received)

    def _sell(self, mint: Pubkey | None, amount: int) -> None:
        if not amount:
            return
        if mint is not None and mint in self._policy.day_limits:
            self._spending.sold[mint] = self._spending.sold.get(mint, 0) + amount
        elif not self._policy.permits_others:
            sold = "an unknown token" if mint is None else name_token(mint)
            refuse(f"it sells {sold}, for which there is no limit")


def _permit_memo(call: Call) -> None:
    if call.accounts:
        refuse("its memo names accounts")
