"""Calls that carry one item each, sent as JSON-RPC arrays as large as the node takes.

Answers are matched to calls by id. A call whose answer is missing, is no object, has an id that is
none of ours, or comes twice with different contents fails alone: nothing says which of two answers
is right. Equal answers count as one.

An array may also be refused as a whole: by an HTTP error, one error object, a page of HTML, a
connection that is closed, a body that is cut or is no array, or errors that speak of nothing but
arrays. Then a single call shows whether it was the array or the node. If the first and the last
call fail alone as well, it is the node: that error stands for all calls, without further requests.
Otherwise the rest goes out in smaller arrays, down to bare calls, and the size is remembered. To
send a call twice is safe: reads change nothing, and a transaction is known by its signature.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Final, TypeAlias

from backend.chain.rpc.array_sizes import ArraySize
from backend.chain.rpc.call_limiter import CallPostponed
from backend.chain.rpc.errors import ReadFailure, RequestRefused
from backend.chain.rpc.load_signals import is_array_error
from backend.chain.rpc.results import Json
from backend.chain.rpc.transport import RpcTransport
from backend.runtime import observe_node

REQUESTS_MAX: Final = 8
"""Most requests at once for the calls of an array that was split."""

Answer: TypeAlias = Json | ReadFailure
"""The response object of one call, or why there is none."""


class ArrayRefused(RequestRefused):
    """A JSON-RPC error instead of an array; ``rpc_code`` is its code."""

    def __init__(self, rpc_code: object) -> None:
        super().__init__("node_refused", f"the node refuses a JSON-RPC array ({rpc_code})")
        self.rpc_code = rpc_code


class CallArrays:
    """Sends the calls of one node in arrays, and remembers the sizes that it takes."""

    def __init__(self, transport: RpcTransport) -> None:
        self._transport = transport
        self._sizes: dict[str, ArraySize] = {}

    async def request(
        self, method: str, calls: Sequence[list[Json]], size_max: int
    ) -> list[Answer]:
        """The answer to each call of a method, in order. Never raises for a failed call."""
        delivery = _Delivery(self, method, calls, size_max)
        await delivery.run()
        return delivery.answers

    def choose_size(self, method: str, count: int, size_max: int) -> int:
        """The size of the next array, of ``count`` calls that wait."""
        size = self._sizes.get(method)
        chosen = min(count, size_max) if size is None else size.choose(count, monotonic())
        if chosen > 1 and self._transport.limiter.is_engaged:
            return min(chosen, self._transport.limiter.get_calls_max(method))
        return chosen

    def get_taken_size(self, method: str, size_max: int) -> int:
        """The largest size that the node takes, as far as is known."""
        size = self._sizes.get(method)
        return size_max if size is None else size.taken

    def refuse_size(self, method: str, size: int, size_max: int) -> None:
        """Remember that an array of this size was refused, and single calls are not."""
        self._learn_size(method, size_max, lambda known: known.refuse(size, monotonic()))

    async def send(self, method: str, calls: Sequence[list[Json]], size_max: int) -> list[Answer]:
        """Send calls in one request: one as a bare object, more as an array.

        Raises ``ReadFailure``: ``RequestRefused`` if the request was refused as a whole.
        """
        bodies = [
            {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
            for number, params in enumerate(calls)
        ]
        size = len(bodies)
        if size == 1:  # some nodes and proxies rate an array as a more expensive request
            return [_check_object(await self._transport.exchange(method, bodies[0]))]
        try:
            answers = _match_answers(await self._transport.exchange(method, bodies, size), size)
        except ReadFailure as failure:
            if _is_doubtful(failure):
                self._learn_size(method, size_max, lambda known: known.doubt(size, monotonic()))
            raise
        if any(isinstance(answer, ReadFailure) for answer in answers):
            self._learn_size(method, size_max, lambda known: known.doubt(size, monotonic()))
        elif method in self._sizes:
            self._learn_size(method, size_max, lambda known: known.accept(size, monotonic()))
        return answers

    def _learn_size(self, method: str, size_max: int, learn: Callable[[ArraySize], None]) -> None:
        known = self._sizes.setdefault(method, ArraySize(size_max))
        taken = known.taken
        learn(known)
        if known.taken != taken:
            observe_node.rpc_array_size_changed(method, known.taken)
        if known.is_largest:
            del self._sizes[method]


class _Delivery:
    """The calls of one request on their way to the node."""

    def __init__(
        self, arrays: CallArrays, method: str, calls: Sequence[list[Json]], size_max: int
    ) -> None:
        self.answers: list[Answer] = [None] * len(calls)
        self._arrays = arrays
        self._method = method
        self._calls = calls
        self._size_max = size_max
        self._open: list[int] = list(range(len(calls)))
        self._refused: list[tuple[list[int], RequestRefused]] = []
        self._fault: Answer | None = None
        """What stands for all calls that are still open: the node's fault, not theirs."""

    async def run(self) -> None:
        """Send until each call has its answer."""
        while self._open and self._fault is None:
            pieces = self._take_pieces()
            if len(pieces) == 1:
                await self._send_piece(pieces[0])
            else:
                async with asyncio.TaskGroup() as tasks:
                    for piece in pieces:
                        tasks.create_task(self._send_piece(piece))
            if self._refused:
                await self._divide_refused()
            elif len(pieces) > 1:
                self._detect_fault(pieces)
        for number in self._open:
            self.answers[number] = self._fault

    def _take_pieces(self) -> list[list[int]]:
        """Take the calls of the next requests: several only of a size that is known to pass."""
        size = self._arrays.choose_size(self._method, len(self._open), self._size_max)
        taken = self._arrays.get_taken_size(self._method, self._size_max)
        count = REQUESTS_MAX if size <= taken < self._size_max else 1
        pieces = [self._open[at : at + size] for at in range(0, len(self._open), size)][:count]
        del self._open[: sum(map(len, pieces))]
        return pieces

    async def _send_piece(self, numbers: list[int]) -> None:
        try:
            answers = await self._send(numbers)
        except RequestRefused as refusal:
            if len(numbers) > 1:
                self._refused.append((numbers, refusal))
            else:
                self.answers[numbers[0]] = ReadFailure(refusal.code, refusal.reason)
        except ReadFailure as failure:  # no time, no connection, no answer: for none of the others
            self._fault = failure
            for number in numbers:
                self.answers[number] = failure
        else:
            for number, answer in zip(numbers, answers, strict=True):
                self.answers[number] = answer

    async def _send(self, numbers: Sequence[int]) -> list[Answer]:
        calls = [self._calls[number] for number in numbers]
        return await self._arrays.send(self._method, calls, self._size_max)

    async def _divide_refused(self) -> None:
        numbers, refusal = self._refused[0]
        self._open[:0] = [number for piece, _ in self._refused for number in piece]
        self._refused.clear()
        is_trial = len(numbers) > self._arrays.get_taken_size(self._method, self._size_max)
        if is_trial or await self._probe_node(numbers, refusal):
            self._arrays.refuse_size(self._method, len(numbers), self._size_max)

    async def _probe_node(self, numbers: Sequence[int], refusal: RequestRefused) -> bool:
        """Send the first call alone, then the last: whether the node answers one of them."""
        for number in (numbers[0], numbers[-1]):
            self._open.remove(number)
            await self._send_piece([number])
            answer = self.answers[number]
            if self._fault is not None:
                return False
            if not _is_alike(answer, refusal):
                return True
        self._fault = answer
        return False

    def _detect_fault(self, pieces: Sequence[Sequence[int]]) -> None:
        """If none of several single calls was answered, the others need not be sent."""
        answers = [self.answers[number] for piece in pieces for number in piece]
        if self._fault is None and all(isinstance(answer, ReadFailure) for answer in answers):
            self._fault = answers[-1]


def _is_doubtful(failure: ReadFailure) -> bool:
    """Whether the size of an array may be the reason for its failure, and does not have to be."""
    if isinstance(failure, RequestRefused | CallPostponed):
        return False
    return failure.code != "node_unreachable"


def _check_object(response: Json) -> Json:
    if not isinstance(response, dict):
        raise RequestRefused("node_error", "the node's response is malformed")
    return response


def _match_answers(response: Json, count: int) -> list[Answer]:
    """The answer to each call of an array. Raises ``RequestRefused`` if there is none at all."""
    if isinstance(response, dict) and response.get("error") is not None:
        raise ArrayRefused(_get_error_code(response))
    if not isinstance(response, list):
        raise RequestRefused("node_error", "the node's response to an array is none")
    answers = _match_ids(response, count)
    unanswered = [n for n, each in enumerate(answers) if each is None or _is_about_array(each)]
    if len(unanswered) == count:
        codes = [_get_error_code(answer) for answer in answers if answer is not None]
        raise ArrayRefused(codes[0] if codes else "no answer")
    for number in unanswered:
        answers[number] = ReadFailure("node_error", "the node does not answer the call")
    return answers


def _match_ids(elements: Sequence[Json], count: int) -> list[Answer]:
    """Match elements to calls by id, as the head of this module says; ``None`` if there is none."""
    answers: list[Answer] = [None] * count
    doubled: set[int] = set()
    for element in elements:
        number = element.get("id") if isinstance(element, dict) else None
        if type(number) is not int or not 0 <= number < count:
            continue
        if answers[number] is None:
            answers[number] = element
        elif answers[number] != element:
            doubled.add(number)
    for number in doubled:
        answers[number] = ReadFailure("node_error", "the node answers the call in two ways")
    return answers


def _is_about_array(answer: Answer) -> bool:
    if isinstance(answer, ReadFailure) or answer.get("error") is None:
        return False
    return is_array_error(answer["error"])


def _is_alike(answer: Answer, refusal: RequestRefused) -> bool:
    """Whether a bare call fails as the array did: then the array is not the reason."""
    if isinstance(answer, ReadFailure):
        return True
    return isinstance(refusal, ArrayRefused) and _get_error_code(answer) == refusal.rpc_code


def _get_error_code(response: Json) -> object:
    error = response.get("error")
    return error.get("code") if isinstance(error, dict) else None
