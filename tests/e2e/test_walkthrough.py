"""The requests of the README's section on orders that wait do what it says."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.e2e.up import START_TIMEOUT_S, RunningUp, run_up

Json = dict[str, Any]
README: Final = Path(__file__).parents[2] / "README.md"
_BLOCK: Final = re.compile(r"### Orders that wait\n.*?^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)


class Request(NamedTuple):
    """A request of the page, with placeholders in its target and its body."""

    method: str
    base: str
    path: str
    body: str | None
    headers: dict[str, str]


def read_requests() -> list[Request]:
    match = _BLOCK.search(README.read_text(encoding="utf-8"))
    assert match is not None
    lines = [shlex.split(line, comments=True) for line in match[1].splitlines()]
    return [_parse_request(words) for words in lines if words[:1] == ["curl"]]


def _parse_request(words: list[str]) -> Request:
    method = words[words.index("-X") + 1] if "-X" in words else None
    body = words[words.index("-d") + 1] if "-d" in words else None
    header = words[words.index("-H") + 1] if "-H" in words else ""
    name, _, value = header.partition(": ")
    [target] = [word for word in words if word.startswith("$")]
    base, _, path = target.partition("/") if "/" in target else (target[:4], "", target[4:])
    method = method or ("GET" if body is None else "POST")
    return Request(method, base, path, body, {name: value} if header else {})


class Walk:
    """The requests one after the other; each placeholder is what an earlier response told."""

    def __init__(self, up: RunningUp) -> None:
        self._up = up
        self._requests = iter(read_requests())
        self._told = {"orderId": "", "mint": ""}

    async def send(self) -> Json:
        """Send the next request."""
        request = next(self._requests)
        path, body = (self._fill(text) for text in (request.path, request.body or ""))
        if request.base == "$node":
            answer: Json = await self._up.control(path.removeprefix("control/"), json.loads(body))
        else:
            separator = "" if path.startswith("?") or not path else "/"
            address = f"/api/orders{separator}{path}"
            options = {"headers": request.headers} | ({"json": json.loads(body)} if body else {})
            async with self._up.http.request(request.method, address, **options) as response:
                answer = await response.json()
                assert response.status < 300, answer
        self._told |= {name: answer[name] for name in self._told if name in answer}
        return answer

    def _fill(self, text: str) -> str:
        return re.sub(r"<(\w+)>", lambda match: self._told[match[1]], text)

    async def follow(self, order_id: str) -> Json:
        """Wait until an order has ended; returns it."""
        async with (
            asyncio.timeout(START_TIMEOUT_S),
            self._up.http.ws_connect(f"/api/orders/upgrade/{order_id}") as socket,
        ):
            async for _ in socket:
                pass
        return await self.read(order_id)

    async def read(self, order_id: str) -> Json:
        async with self._up.http.get(f"/api/orders/{order_id}") as response:
            order: Json = await response.json()
            return order


async def test_the_requests_of_the_readme_do_what_it_says(data_dir: Path) -> None:
    async with run_up(data_dir, "--profile", "instant") as up:
        walk = Walk(up)
        limit = await walk.send()
        assert limit["status"] == "waiting"
        [waiting] = (await walk.send())["orders"]
        assert float(waiting["executablePrice"]) < 110
        assert waiting["distanceBps"] > 0
        await walk.send()  # the price rises
        filled = await walk.follow(limit["orderId"])
        assert filled["status"] == "confirmed"
        assert float(filled["executedPrice"]) >= 110
        assert (await walk.send())["status"] == "waiting"
        amended = await walk.send()
        assert (amended["status"], amended["triggerPrice"]) == ("waiting", "85")
        assert (await walk.send())["status"] == "cancelled"
        share = await walk.send()
        assert (share["status"], share["isMetNow"]) == ("waiting", False)
        entry = await walk.send()
        received = (await walk.follow(entry["orderId"]))["amountOut"]
        children = (await walk.send())["orders"]
        assert {child["type"] for child in children} == {"takeProfit", "stop"}
        assert {child["amountIn"] for child in children} == {received}
        assert len({child["ocoGroup"] for child in children}) == 1
        assert (await walk.send())["status"] == "waiting"
        token = await walk.send()
        sniper = await walk.send()
        assert sniper["status"] == "waiting"
        pool = await walk.send()
        assert pool["mint"] == token["mint"]
        bought = await walk.follow(sniper["orderId"])
        assert (bought["status"], bought["dex"]) == ("confirmed", "raydium")
        sold = await walk.follow((await walk.send())["orderId"])
        assert (sold["status"], sold["tokenIn"]) == ("confirmed", token["mint"])
        timer = await walk.send()
        assert (timer["seconds"], type(timer["triggerTime"])) == (60, str)
