"""The waiting orders that one process watches: a trigger book for each direction of a pair."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from heapq import heappop, heappush
from typing import NamedTuple
from uuid import UUID

from solders.pubkey import Pubkey

from backend.domain.amounts import BPS
from backend.domain.conditions import Condition, ConditionState, Limit, PriceCondition
from backend.domain.prices import PriceOf
from backend.domain.tokens import TokenRegistry
from backend.domain.waiting.hovering import HoveringLimits
from backend.store.waiting.market_peaks import StoredPeaks
from backend.store.waiting.waiting_orders import WaitingRecord
from backend.triggers import observe_triggers
from backend.triggers.best_markets import BestMarkets
from backend.triggers.book import TriggerBook, WaitingOrder
from backend.triggers.directions.direction import Direction, Directions
from backend.triggers.directions.turns import DirectionTurns
from backend.triggers.orders_apart import LATEST, OrdersApart
from backend.triggers.peak_codec import decode_peaks, decode_reads
from backend.venues import Venues


class Watched(NamedTuple):
    """What a release needs to know of an order in a book.

    With ``amount_in_bps`` it sells that share of what the wallet holds free then.
    """

    direction: Direction
    owner: str
    price_of: PriceOf
    oco_group: UUID | None = None
    amount_in_bps: int | None = None


class WatchedOrders:
    """The orders of the shards that are watched, by id and in their books.

    Those that wait for something other than a price are with one of ``apart``.
    """

    def __init__(
        self, tokens: TokenRegistry, venues: Venues, apart: Sequence[OrdersApart] = ()
    ) -> None:
        self.apart, self._tokens, self._venues = apart, tokens, venues
        self._shards: set[int] = set()
        self._books: dict[Direction, TriggerBook] = {}
        self._best: dict[Direction, BestMarkets] = {}
        """Of all pools together: those of a restricted direction are with its unrestricted one."""
        self._places: dict[UUID, Watched] = {}
        self._directions = Directions()
        self._turns = DirectionTurns()
        self._known: dict[Watched, Watched] = {}
        self._cooling: list[tuple[float, UUID]] = []
        self._cooling_ids: dict[UUID, int] = {}
        """The orders that cool down or are held, each with the ``seq`` of its row."""
        self._hovering = HoveringLimits()

    def __len__(self) -> int:
        return len(self._places) + sum(map(len, self.apart))

    def __contains__(self, order_id: object) -> bool:
        if order_id in self._places or order_id in self._cooling_ids:
            return True
        return any(order_id in each for each in self.apart)

    def __iter__(self) -> Iterator[UUID]:
        yield from self._places
        yield from self._cooling_ids.keys() - self._places.keys()
        for each in self.apart:
            yield from each

    @property
    def shards(self) -> frozenset[int]:
        """The shards that are watched."""
        return frozenset(self._shards)

    @property
    def directions(self) -> list[Direction]:
        """The directions in which an order waits."""
        return [direction for direction, book in self._books.items() if len(book)]

    def take_due(self) -> list[Direction]:
        """The directions that are judged in the next slot."""
        directions = self.directions
        observe_triggers.directions_due(sum(each.allowed is not None for each in directions))
        return self._turns.take(directions)

    def get_book(self, direction: Direction) -> TriggerBook | None:
        """The book of a direction, ``None`` if no order waits in it."""
        return self._books.get(direction)

    def get_best(self, direction: Direction) -> BestMarkets | None:
        """The pools of a direction's pair as they paid most, ``None`` if no order needs them."""
        return self._best.get(direction.unrestricted)

    def add_shards(self, shards: Iterable[int], peaks: Iterable[StoredPeaks], now: float) -> None:
        """Watch shards from now on: their orders are not known yet, their peaks are."""
        self._shards.update(shards)
        for each in peaks:
            whole = self._directions.find(
                self._tokens.find(each.token_in, "token_in"),
                self._tokens.find(each.token_out, "token_out"),
            )
            direction = self._directions.restrict(whole, each.constraints)
            if direction not in self._books:
                book = self._books[direction] = TriggerBook()
                mint_in = Pubkey.from_string(direction.token_in.mint)
                book.restore_peaks(decode_peaks(each.peaks, mint_in, self._venues))
                if each.best is not None and direction not in self._best:
                    reads = decode_reads(each.best, mint_in, self._venues, now - each.best_age_s)
                    self._best[direction] = BestMarkets(reads)

    def drop_shards(self, shards: Collection[int]) -> None:
        """Watch shards no more, and forget their orders."""
        self._shards.difference_update(shards)
        for each in self.apart:
            each.drop_shards(shards)
        dropped = [each for each in self._books if each.shard in shards]
        for direction in dropped:
            for order in self._books.pop(direction):
                self._places.pop(order.id, None)
        self._forget_directions(dropped)

    def drop_empty_books(self) -> list[Direction]:
        """Forget the directions in which nothing waits, and their peaks; returns them."""
        dropped = [each for each, book in self._books.items() if not len(book)]
        for direction in dropped:
            del self._books[direction]
        self._forget_directions(dropped)
        return dropped

    def _forget_directions(self, dropped: Sequence[Direction]) -> None:
        kept = {each.unrestricted for each in self._books}
        for direction in self._best.keys() - kept:
            del self._best[direction]
        restricted = {each for each in dropped if each.allowed is not None}
        if restricted:
            self._directions.forget(restricted)
            known = (each for each in self._known if each.direction not in restricted)
            self._known = {each: each for each in known}

    def add(self, records: Iterable[WaitingRecord], now: float) -> set[Direction]:
        """Watch orders of these shards, from the end of their cool-down on.

        A newer record of an order replaces it. Returns the directions of those that wait at once.
        """
        added: set[Direction] = set()
        for record in records:
            direction = self._directions.find(record.terms.token_in, record.terms.token_out)
            known = self._find(record.id)
            if direction.shard not in self._shards or (
                known is not None and known.seq >= record.seq
            ):
                continue
            if (apart := self._find_apart(record.condition)) is not None:
                apart.add(record, direction.shard, now)
                continue
            if record.cool_down_s > 0:
                self.remove(record.id)
                self._hovering.note_return(record.id, record.seq, record.cool_down_s, now)
                self.cool_down(record.id, record.seq, now + record.cool_down_s)
                continue
            direction = self._directions.restrict(direction, record.terms.constraints)
            book = self._books.get(direction)
            if book is None:
                book = self._books[direction] = TriggerBook()
            order = _to_waiting(record)
            if known is not None:
                _keep_mark(order, book.get_state(record.id))
            self._hold(order, now)
            book.insert(order)
            best = self._best.setdefault(direction.unrestricted, BestMarkets())
            best.include_amount(order.amount_in)
            self._places[record.id] = self._find_watched(direction, record)
            added.add(direction)
        return added

    def _hold(self, order: WaitingOrder, now: float) -> None:
        """Have a limit that hovers at the price wait for a better one, for a time."""
        hold = self._hovering.find_hold(order.id, order.seq, now)
        if hold is not None and isinstance(order.condition, Limit):
            order.limit = order.condition.price
            order.condition = Limit(order.limit.scale_bps(BPS + hold.margin_bps))
            self.cool_down(order.id, order.seq, hold.until)

    def _find(self, order_id: UUID) -> WaitingOrder | None:
        watched = self._places.get(order_id)
        book = None if watched is None else self._books.get(watched.direction)
        return None if book is None else book.find(order_id)

    def knows(self, order_id: UUID, seq: int) -> bool:
        """Whether an order is watched as of its row with this ``seq``, or a later one."""
        order = self._find(order_id)
        known = self._cooling_ids.get(order_id, -1) if order is None else order.seq
        return known >= seq or any(each.knows(order_id, seq) for each in self.apart)

    def cool_down(self, order_id: UUID, seq: int, until: float) -> None:
        """Have an order, as of its row with this ``seq``, loaded again at a time."""
        self._cooling_ids[order_id] = seq
        heappush(self._cooling, (until, order_id))

    def cool_down_lost(self, direction: Direction, until: float) -> None:
        """Have those orders of a direction loaded again that an error has left in no book."""
        book = self._books.get(direction)
        lost = [
            order_id
            for order_id, watched in self._places.items()
            if watched.direction is direction and (book is None or book.find(order_id) is None)
        ]
        for order_id in lost:
            self.forget(order_id)
            self.cool_down(order_id, 0, until)

    def take_cooled(self, now: float) -> list[UUID]:
        """The orders whose cool-down or hold has ended: they are to be loaded again."""
        cooled = []
        while self._cooling and self._cooling[0][0] <= now:
            order_id = heappop(self._cooling)[1]
            if self._cooling_ids.pop(order_id, None) is None:
                continue
            order = self._find(order_id)
            if order is not None and order.limit is not None:
                self._books[self._places.pop(order_id).direction].remove(order_id)
            cooled.append(order_id)
        return cooled

    def take_met(self, order_id: UUID, now: float) -> Watched:
        """What is known of an order that has left its book as its price is met."""
        self._hovering.note_release(order_id, now)
        self._cooling_ids.pop(order_id, None)
        return self._places.pop(order_id)

    def remove(self, order_id: UUID, seq: int = LATEST) -> None:
        """Watch an order no more, unless what is known of it is newer than ``seq``."""
        cooling = self._cooling_ids.get(order_id)
        if cooling is not None and cooling <= seq:
            del self._cooling_ids[order_id]
        for each in self.apart:
            each.remove(order_id, seq)
        order = self._find(order_id)
        if order is not None and order.seq <= seq:
            self._books[self._places[order_id].direction].remove(order_id)
            self.forget(order_id)

    def forget(self, order_id: UUID) -> None:
        """Forget an order that has left its book."""
        self._places.pop(order_id, None)

    def list_shares(self) -> list[tuple[WaitingOrder, Watched]]:
        """The orders in books that sell a share of what the wallet holds."""
        shares = [each for each, watched in self._places.items() if watched.amount_in_bps]
        found = ((self._find(each), self._places[each]) for each in shares)
        return [(order, watched) for order, watched in found if order is not None]

    def change_amount(self, order_id: UUID, seq: int, amount_in: int) -> None:
        """Judge an order by another amount, if it is here as of its row with this ``seq``."""
        order = self._find(order_id)
        if order is not None and order.seq == seq:
            direction = self._places[order_id].direction
            state = self._books[direction].get_state(order_id)
            changed = replace(order, amount_in=amount_in, state=state, mark_slot=None)
            self._books[direction].insert(changed)
            self._best[direction.unrestricted].include_amount(amount_in)

    def _find_apart(self, condition: Condition) -> OrdersApart | None:
        return next((each for each in self.apart if each.takes(condition)), None)

    def _find_watched(self, direction: Direction, record: WaitingRecord) -> Watched:
        """One object for many orders, but for those of groups."""
        terms, group = record.terms, record.oco_group
        watched = Watched(direction, record.owner, terms.price_of, group, terms.amount_in_bps)
        return watched if group else self._known.setdefault(watched, watched)


def _keep_mark(order: WaitingOrder, state: ConditionState) -> None:
    """Keep the high-water mark of a trailing stop as it is here: its row may have an older one."""
    mark, stored = state.high_water, order.state.high_water
    if mark is not None and (stored is None or mark >= stored):
        order.state, order.mark_slot = ConditionState(mark), None


def _to_waiting(record: WaitingRecord) -> WaitingOrder:
    assert isinstance(record.condition, PriceCondition), "the others are apart"
    return WaitingOrder(
        record.id,
        record.seq,
        record.terms.amount_in,
        record.condition,
        ConditionState(record.state.high_water),
        record.terms.max_price_impact_bps,
        mark_slot=record.high_water_slot,
    )
