"""Answers as nodes of mainnet give them, after the published schemas, and a server of them.

``answers.json`` has a good answer of each method, with fields that no schema of ours knows and with
nulls; ``refusals.json`` has whatever else comes in place of one, from nodes and from what stands
before them.
"""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.integration.handler_node import cut_connection

Json = Any
FOLDER = Path(__file__).parent / "recorded_answers"
ANSWERS: dict[str, Json] = json.loads((FOLDER / "answers.json").read_text())
"""The answer to each method."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What comes in place of an answer; ``form`` is how it reaches the client."""

    name: str
    status: int
    headers: dict[str, str]
    body: Json
    form: str

    async def send(self, request: web.BaseRequest, call_id: Json) -> web.StreamResponse:
        """Answer a request with it."""
        content = self._encode(call_id)
        match self.form:
            case "cut body":
                return web.Response(body=content[: len(content) // 2], headers=self.headers)
            case "cut gzip":
                packed = gzip.compress(content)
                headers = {**self.headers, "Content-Encoding": "gzip"}
                return web.Response(body=packed[: len(packed) // 2], headers=headers)
            case "cut connection":
                return await cut_connection(request, content)
            case _:
                return web.Response(body=content, status=self.status, headers=self.headers)

    def _encode(self, call_id: Json) -> bytes:
        if isinstance(self.body, str):
            return self.body.encode()
        body = self.body
        return json.dumps(body if body["id"] is None else {**body, "id": call_id}).encode()


REFUSALS = {
    each["name"]: Refusal(**each) for each in json.loads((FOLDER / "refusals.json").read_text())
}


def build_answer(call: Json) -> Json:
    """The good answer to a call."""
    return {**ANSWERS[call["method"]], "id": call["id"]}


async def answer_all(request: web.BaseRequest) -> web.StreamResponse:
    """Answer every call, single or in an array, compressed if the client takes that."""
    body = json.loads(await request.read())
    calls = body if isinstance(body, list) else [body]
    answers = list(map(build_answer, calls))
    content = json.dumps(answers if isinstance(body, list) else answers[0]).encode()
    if "gzip" not in request.headers.get("Accept-Encoding", ""):
        return web.Response(body=content, content_type="application/json")
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    return web.Response(body=gzip.compress(content), headers=headers)


class Recording:
    """A node that answers as one did when ``order-engine rehearse --record`` wrote a file.

    Equal calls get the answers in their order, and the last one of them again and again. Accounts
    that were never read together are answered as they were read last.
    """

    def __init__(self, file: Path) -> None:
        self._answers: defaultdict[str, list[Json]] = defaultdict(list)
        self._accounts: dict[str, Json] = {}
        self._context: Json = None
        for line in file.read_text().splitlines():
            entry = json.loads(line)
            self._answers[_describe_call(entry["request"])].append(entry)
            if entry["request"]["method"] == "getMultipleAccounts":
                result = json.loads(entry["body"])["result"]
                accounts = zip(entry["request"]["params"][0], result["value"], strict=True)
                self._accounts.update(accounts)
                self._context = result["context"]

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request; one that was not recorded is not found."""
        call = json.loads(await request.read())
        recorded = self._answers.get(_describe_call(call))
        if recorded:
            entry = recorded.pop(0) if len(recorded) > 1 else recorded[0]
            return web.Response(
                text=entry["body"], status=entry["status"], headers=entry["headers"]
            )
        if call["method"] != "getMultipleAccounts":
            return web.Response(status=404)
        value = [self._accounts[key] for key in call["params"][0]]
        result = {"context": self._context, "value": value}
        return web.json_response({"jsonrpc": "2.0", "result": result, "id": call["id"]})


def _describe_call(call: Json) -> str:
    return json.dumps(call, sort_keys=True)
