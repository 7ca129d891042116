"""What a signer has permitted today is never forgotten, and permits no more than its limits."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.domain.errors import Rejected
from backend.signer.amounts import LAMPORTS
from backend.signer.day_count import DAY_S, CountFileError, DayCount
from backend.signer.policy import Spending
from backend.venues.spl import TOKEN_2022_ACCOUNT_RENT_MAX
from tests.pools import SOL, USDC
from tests.unit.signer_messages import THIEF

LIMITS = {SOL: 1_000, USDC: 0}
FEES = 10**9


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 20_000.0 * DAY_S

    def __call__(self) -> float:
        return self.now


def open_count(path: Path, clock: Clock) -> DayCount:
    return DayCount(path, LIMITS, FEES, clock)


def spend(amount: int, fee: int = 5_000) -> Spending:
    return Spending(fee, [], {SOL: amount})


def read_spent(count: DayCount, item: object = SOL, wallet: str = "a") -> int:
    return int(count.describe(wallet)[str(item)]["spent"])


def test_a_limit_is_reached_exactly_and_for_each_wallet(tmp_path: Path) -> None:
    count = open_count(tmp_path / "count", Clock())
    for _ in range(10):
        count.add("a", spend(100))
    for item in ({SOL: 1}, {USDC: 1}):
        with pytest.raises(Rejected, match="are left") as refused:
            count.add("a", Spending(5_000, [], item))
        assert refused.value.code == "signer_day_limit"
    count.add("b", spend(1_000))
    count.add("a", spend(0, fee=FEES - 50_000))
    with pytest.raises(
        Rejected, match=r"1 SOL for fees, .* of which 0 are left: not 0\.000000001$"
    ):
        count.add("a", spend(0, fee=1))
    assert (read_spent(count), read_spent(count, wallet="b")) == (1_000, 1_000)
    count.close()


def test_what_is_refused_counts_nothing(tmp_path: Path) -> None:
    count = open_count(tmp_path / "count", Clock())
    with pytest.raises(Rejected):
        count.add("a", Spending(FEES + 1, [], {SOL: 10}))
    with pytest.raises(Rejected):
        count.add("a", spend(1_001))
    assert (read_spent(count), read_spent(count, LAMPORTS)) == (0, 0)
    count.close()


def test_a_signer_that_ends_keeps_its_count_and_one_that_dies_permits_no_more(
    tmp_path: Path,
) -> None:
    path, clock = tmp_path / "count", Clock()
    count = open_count(path, clock)
    count.add("a", spend(500))
    count.close()
    count = open_count(path, clock)
    assert read_spent(count) == 500
    count.add("a", spend(101))
    count._database.close()  # as the kernel does when it is killed
    count = open_count(path, clock)
    assert 601 <= read_spent(count) <= 601 + 1_000 // 100
    with pytest.raises(Rejected):
        count.add("a", spend(400))
    count.close()


def test_a_day_begins_with_nothing_and_never_comes_back(tmp_path: Path) -> None:
    path, clock = tmp_path / "count", Clock()
    count = open_count(path, clock)
    count.add("a", spend(1_000))
    clock.now += DAY_S
    count.add("a", spend(600))
    clock.now -= DAY_S
    assert read_spent(count) == 600
    count.close()
    count = open_count(path, clock)
    assert read_spent(count) == 600, "the newest day in the file counts"
    count.close()


def test_rent_counts_once_a_day_for_each_account(tmp_path: Path) -> None:
    clock = Clock()
    count = open_count(tmp_path / "count", clock)
    for opened in ([USDC], [USDC], [USDC, THIEF]):
        count.add("a", Spending(5_000, opened, {}))
    assert read_spent(count, LAMPORTS) == 15_000 + 2 * TOKEN_2022_ACCOUNT_RENT_MAX
    count.close()


def test_a_file_that_another_signer_has_or_that_is_none_is_refused(tmp_path: Path) -> None:
    path, clock = tmp_path / "count", Clock()
    count = open_count(path, clock)
    assert path.stat().st_mode & 0o077 == 0
    for other in (path, tmp_path, tmp_path / "nowhere" / "count"):
        with pytest.raises(CountFileError, match="cannot be used"):
            open_count(other, clock)
    count.close()
    path.write_bytes(b"no database" * 100)
    with pytest.raises(CountFileError, match="cannot be used"):
        open_count(path, clock)
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with pytest.raises(CountFileError, match="cannot be used"):
        open_count(tmp_path / "link", clock)
