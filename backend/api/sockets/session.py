"""One open socket: we speak, and listen only for a first message; then it is closed with a reason.

A disconnect arrives as ``CancelledError``, which ends everything here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from quart.wrappers import Websocket

from backend.api.delivery.send_buffer import DONE, FAILED, LATER, Exit, Leaving
from backend.domain.errors import EngineError
from backend.runtime import observe

GOODBYE_S = 5.0
"""How long a reader may take to receive our last words."""

First = asyncio.Future[str | bytes]
Talk = Callable[[First], Awaitable[None]]


async def converse(
    socket: Websocket,
    way_out: Exit,
    talk: Talk,
    last_words: Callable[[Leaving], str | None] = lambda _: None,
) -> None:
    """Let ``talk`` speak until it has ended or the socket has to leave, and close it.

    ``talk`` is given the future of the client's first message; later ones are dropped.
    """
    first: First = asyncio.get_running_loop().create_future()
    async with asyncio.TaskGroup() as tasks:
        talking = tasks.create_task(_speak(talk, first, way_out))
        listening = tasks.create_task(_listen(socket, first))
        why = await way_out.left()
        talking.cancel()
        listening.cancel()
    try:
        async with asyncio.timeout(GOODBYE_S):
            words = last_words(why)
            if words is not None:
                await socket.send(words)
            await socket.close(why.code, why.reason)
    except TimeoutError:
        pass  # it reads nothing at all: the connection is dropped without a goodbye


async def _speak(talk: Talk, first: First, way_out: Exit) -> None:
    try:
        await talk(first)
        way_out.leave(DONE)
    except EngineError as error:
        observe.database_gone(error)
        way_out.leave(LATER)
    except Exception as error:  # noqa: BLE001 - the edge: the client is told, the log has it
        observe.request_failed("websocket", error)
        way_out.leave(FAILED)


async def _listen(socket: Websocket, first: First) -> None:
    while True:
        message = await socket.receive()
        if not first.done():
            first.set_result(message)
