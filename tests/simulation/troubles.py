"""What each trouble does to the world, by its strength: from 0, not at all, to 1."""

from __future__ import annotations

from collections.abc import Callable

from tests.simulation.network import Weather
from tests.simulation.plan import Trouble
from tests.simulation.world import World


def set_trouble(world: World, trouble: Trouble, strength: float) -> None:
    """Begin a trouble, or end it with a strength of 0."""
    _TROUBLES[trouble](world, strength)


def _rough(weather: Weather, strength: float) -> None:
    weather.lost = weather.unanswered = weather.late = strength / 4


def _database_down(world: World, strength: float) -> None:
    world.server.weather.is_down = strength > 0


def _database_rough(world: World, strength: float) -> None:
    _rough(world.server.weather, strength)


def _database_busy(world: World, strength: float) -> None:
    world.server.troubles.busy = strength / 2


def _database_full(world: World, strength: float) -> None:
    world.server.troubles.full = strength


def _node_down(world: World, strength: float) -> None:
    world.node_weather.is_down = strength > 0


def _node_rough(world: World, strength: float) -> None:
    _rough(world.node_weather, strength)


def _node_busy(world: World, strength: float) -> None:
    world.node_load.busy = strength


def _node_stalled(world: World, strength: float) -> None:
    # Mostly most requests: else another answer soon shows what the stalled node does not.
    world.node_load.stalled = min(strength * 2, 0.95)
    world.node_load.stalled_at = world.loop.time()


def _venues_closed(world: World, strength: float) -> None:
    world.offers.closed = strength


def _dropped(world: World, strength: float) -> None:
    # Mostly all of them: only who is dropped every time has to outlive its blockhash.
    world.chain.mood.dropped = min(strength * 2, 1)


def _reverted(world: World, strength: float) -> None:
    world.chain.mood.reverted = strength * 0.8


def _slow(world: World, strength: float) -> None:
    world.chain.mood.lands_within_s = world.plan.lands_within_s + strength * 20


def _untold(world: World, strength: float) -> None:
    world.chain.mood.late = strength


def _standing(world: World, strength: float) -> None:
    if strength:
        world.chain.stand(world.loop.time())
    else:
        world.chain.go_on(world.loop.time())


def _queue_down(world: World, strength: float) -> None:
    world.queue.moods.is_down = strength > 0
    if strength:
        world.queue.flush()
    else:
        world.queue.match()


def _queue_full(world: World, strength: float) -> None:
    world.queue.moods.is_full = strength > 0


def _queue_rough(world: World, strength: float) -> None:
    moods = world.queue.moods
    moods.lost = strength / 2
    moods.doubled = moods.late = moods.unacknowledged = strength / 3


_TROUBLES: dict[Trouble, Callable[[World, float], None]] = {
    Trouble.DATABASE_DOWN: _database_down,
    Trouble.DATABASE_ROUGH: _database_rough,
    Trouble.DATABASE_BUSY: _database_busy,
    Trouble.DATABASE_FULL: _database_full,
    Trouble.NODE_DOWN: _node_down,
    Trouble.NODE_ROUGH: _node_rough,
    Trouble.NODE_BUSY: _node_busy,
    Trouble.NODE_STALLED: _node_stalled,
    Trouble.VENUES_CLOSED: _venues_closed,
    Trouble.DROPPED: _dropped,
    Trouble.REVERTED: _reverted,
    Trouble.SLOW: _slow,
    Trouble.UNTOLD: _untold,
    Trouble.STANDING: _standing,
    Trouble.QUEUE_DOWN: _queue_down,
    Trouble.QUEUE_FULL: _queue_full,
    Trouble.QUEUE_ROUGH: _queue_rough,
}
