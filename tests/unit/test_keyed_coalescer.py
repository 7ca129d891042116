"""The coalescer by key: waiters of a key share calls, and wait for no call of another one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from backend.domain.errors import Unavailable
from backend.store.intake.keyed_coalescer import KeyedCoalescer


class Calls:
    """Returns items once their key is released; a key named ``bad`` fails."""

    def __init__(self, *held: str) -> None:
        self.made: list[list[str]] = []
        self.held = {each: asyncio.Event() for each in held}

    async def __call__(self, items: Sequence[str]) -> list[str | Exception]:
        self.made.append(list(items))
        key = items[0].partition(" ")[0]
        if key in self.held:
            await self.held[key].wait()
        if key == "bad":
            raise OSError("gone")
        return [ValueError(each) if each.endswith("odd") else each for each in items]


@asynccontextmanager
async def run_coalescer(
    calls: Calls, calls_max: int = 3, waiting_max: int = 100
) -> AsyncIterator[tuple[KeyedCoalescer[str, str], asyncio.TaskGroup]]:
    coalescer: KeyedCoalescer[str, str] = KeyedCoalescer(
        calls, items_max=3, calls_max=calls_max, waiting_max=waiting_max
    )
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(coalescer.run())
        await asyncio.sleep(0)
        yield coalescer, tasks
        running.cancel()


class Callers:
    """Submits items and keeps what each caller gets."""

    def __init__(self, coalescer: KeyedCoalescer[str, str], tasks: asyncio.TaskGroup) -> None:
        self._coalescer = coalescer
        self._tasks = tasks
        self.results: dict[str, str | BaseException] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    def submit(self, key: str, *names: str) -> list[asyncio.Task[None]]:
        items = [f"{key} {each}" for each in names]
        started = {each: self._tasks.create_task(self._submit(key, each)) for each in items}
        self.tasks |= started
        return list(started.values())

    async def _submit(self, key: str, item: str) -> None:
        try:
            self.results[item] = await self._coalescer.submit(key, item)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - it is looked at
            self.results[item] = error


async def wait_called(calls: Calls) -> None:
    while not calls.made:
        await asyncio.sleep(0)


async def test_items_of_a_key_share_calls_and_wait_for_no_other_key() -> None:
    calls = Calls("slow")
    async with run_coalescer(calls) as (coalescer, tasks):
        callers = Callers(coalescer, tasks)
        slow = callers.submit("slow", "1", "2", "3", "4")
        await asyncio.wait(callers.submit("quick", "1", "2"))
        assert callers.results == {each: each for each in ("quick 1", "quick 2")}
        slow += callers.submit("slow", "5")
        calls.held["slow"].set()
        await asyncio.wait(slow)
    assert all(callers.results[each] == each for each in callers.tasks)
    made = [each for each in calls.made if each[0].startswith("slow")]
    assert made == [["slow 1", "slow 2", "slow 3"], ["slow 4", "slow 5"]]


async def test_keys_take_turns_where_all_calls_are_made() -> None:
    calls = Calls("slow")
    async with run_coalescer(calls, calls_max=1) as (coalescer, tasks):
        callers = Callers(coalescer, tasks)
        started = callers.submit("slow", *"123456") + callers.submit("other", "1")
        await wait_called(calls)
        calls.held["slow"].set()
        await asyncio.wait(started)
    assert [each[0] for each in calls.made] == ["slow 1", "other 1", "slow 4"]


async def test_errors_reach_their_callers_and_the_key_goes_on() -> None:
    async with run_coalescer(Calls()) as (coalescer, tasks):
        callers = Callers(coalescer, tasks)
        await asyncio.wait(callers.submit("bad", "1", "2") + callers.submit("one", "1", "odd"))
        await asyncio.wait(callers.submit("bad", "3"))
    kinds = {item: type(each) for item, each in callers.results.items()}
    assert kinds == {
        **dict.fromkeys(("bad 1", "bad 2", "bad 3"), OSError),
        "one 1": str,
        "one odd": ValueError,
    }


async def test_who_leaves_is_left_out_and_the_end_cancels_the_others() -> None:
    calls = Calls("slow")
    async with run_coalescer(calls, waiting_max=3) as (coalescer, tasks):
        callers = Callers(coalescer, tasks)
        callers.submit("slow", *"123")
        await wait_called(calls)
        *_, last = callers.submit("slow", *"4567")
        await asyncio.wait([last])
        assert isinstance(callers.results["slow 7"], Unavailable)
        callers.tasks["slow 4"].cancel()
    ended = {type(each) for item, each in callers.results.items() if item != "slow 7"}
    assert ended == {asyncio.CancelledError}
    assert calls.made == [["slow 1", "slow 2", "slow 3"]]
