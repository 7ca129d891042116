"""No secret is in anything that the engine's processes write: planted everywhere, searched for."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import aiohttp

from backend.domain.access.signatures import SigningMethod
from backend.store.access.key_store import CreatedKey
from tests.e2e.canaries import (
    CanaryEngine,
    decode_json,
    dump_everything,
    run_canary_engine,
)
from tests.integration.commands import run_command
from tests.integration.request_signing import sign_request
from tests.integration.stored_keys import STREAM, UPGRADE, make_key, show_key
from tests.integration.token_issuer import sign_token
from tests.scenario import run_node

ORDER: dict[str, object] = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": "1"}
ORDERS: tuple[dict[str, object], ...] = (
    ORDER,
    ORDER | {"minAmountOut": "100000000"},  # below what it asks for
    ORDER | {"amount": "1000"},  # beyond what the signer permits for a day
    {"tokenIn": "USDC", "tokenOut": "SOL", "amount": "5"},  # of which it permits nothing
)
BAD_ORDERS: tuple[object, ...] = ({}, ORDER | {"amount": "x"}, ORDER | {"tokenIn": "XYZ"}, [1])
EXECUTE = "/api/orders/execute"


async def place_orders(http: aiohttp.ClientSession, headers: Mapping[str, str]) -> list[str]:
    """Place good and bad orders; returns all answers, and those of the orders once they ended."""
    texts, ids = [], []
    for order in (*ORDERS, *BAD_ORDERS):
        async with http.post(EXECUTE, json=order, headers=headers) as response:
            texts.append(await response.text())
            if response.status == 202:
                ids.append(decode_json(texts[-1])["orderId"])
    assert len(ids) == len(ORDERS)
    for order_id in ids:
        async with http.ws_connect(f"/api/orders/upgrade/{order_id}", headers=headers) as socket:
            texts += [message.data async for message in socket]
    return texts


async def add_webhook(
    engine: CanaryEngine, http: aiohttp.ClientSession, headers: Mapping[str, str]
) -> list[str]:
    """Have a receiver that is not there told of orders; returns what the API says of it."""
    url = f"http://127.0.0.1:9/{engine.canaries.plant('path of a webhook')}"
    async with http.post("/api/webhooks", json={"url": url}, headers=headers) as response:
        assert response.status == 201, await response.text()
        created = await response.json()  # its owner is shown the secret, once
    engine.canaries.planted["webhook secret"] = created["secret"].rpartition("_")[2]
    texts = []
    for path in ("/api/webhooks", f"/api/webhooks/{created['id']}"):
        async with http.get(path, headers=headers) as response:
            texts.append(await response.text())
    return [text.replace(url, "") for text in texts]  # its owner may see the address


async def use_every_credential(
    engine: CanaryEngine, http: aiohttp.ClientSession, key: CreatedKey, signing: CreatedKey
) -> list[str]:
    """Call the API with each kind of credential, right and wrong; returns what it answers."""
    planted, texts = engine.canaries.planted, []
    token = sign_token("ES256-1")
    planted |= {"stored key": key.key.rpartition("_")[2], "token": token}
    planted["signing key"] = signing.key.rpartition("_")[2]
    planted["signature of a token"] = token.rpartition(".")[2]
    signed = sign_request(signing.key, signing.row.id, "GET", "/api/stats")
    unknown = engine.canaries.plant("unknown key")
    calls: list[tuple[str, str, Mapping[str, str], int]] = [
        ("GET", "/api/stats", show_key(key), 200),
        ("GET", "/api/stats", show_key(token), 200),
        ("GET", "/api/stats", show_key(planted["api_keys"]), 200),
        ("GET", "/api/stats", signed, 200),
        ("GET", "/api/stats", signed, 401),  # its nonce is used up
        ("GET", "/api/stats", show_key(unknown), 401),
        ("GET", "/api/stats", show_key(f"{token}x"), 401),
        ("GET", "/api/stats", {"X-API-Key": unknown}, 401),
        ("GET", f"/api/stats?key={unknown}", {}, 401),
        ("GET", "/api/nothing", show_key(key), 404),
        ("POST", "/api/tickets", show_key(key), 201),
        ("POST", "/api/tickets", show_key(key), 201),
    ]
    for method, path, headers, status in calls:
        async with http.request(method, path, headers=headers) as response:
            assert response.status == status, (path, await response.text())
            texts.append(f"{response.headers}{await response.text()}")
    tickets = [str(decode_json(text[text.index('{"') :])["ticket"]) for text in texts[-2:]]
    del texts[-2:]  # who asks for a ticket gets it
    planted |= {"used ticket": tickets[0], "unused ticket": tickets[1]}
    socket_path = f"{STREAM}?ticket={tickets[0]}"
    async with http.ws_connect(socket_path):
        pass
    async with http.get(socket_path, headers=UPGRADE) as response:  # it is used up
        assert response.status == 401
        texts.append(f"{response.headers}{await response.text()}")
    texts += await add_webhook(engine, http, show_key(key))
    return texts + await place_orders(http, show_key(key))


async def test_no_secret_is_in_anything_that_the_processes_write(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    key = await make_key(database_url)
    signing = await make_key(database_url, signing=SigningMethod.HMAC)
    async with (
        run_node(data_dir) as node_url,
        run_canary_engine(data_dir, database_url, redis_url, node_url) as (engine, env),
        aiohttp.ClientSession(engine.api_url) as http,
    ):
        answers = await use_every_credential(engine, http, key, signing)
        for url in (f"{engine.api_url}/metrics", engine.metrics_url, f"{engine.api_url}/readyz"):
            async with http.get(url) as response:
                answers.append(await response.text())
        async with asyncio.TaskGroup() as group:
            commands = [
                group.create_task(run_command(*argv, **env))
                for argv in (("doctor",), ("wallet", "show"), ("keys", "list"))
            ]
        engine.processes["signer"].kill()
        headers = show_key(engine.canaries.planted["api_keys"])
        async with http.post(EXECUTE, json=ORDER, headers=headers) as response:
            answers.append(await response.text())
        texts = {f"answer {n}": text.encode() for n, text in enumerate(answers)}
        texts |= {f"command {n}": run.result().output.encode() for n, run in enumerate(commands)}
        stored = await dump_everything(database_url, redis_url)
        assert stored.pop("table webhooks"), "what is needed to sign and to deliver is stored"
        texts |= stored
        texts |= engine.read_written()
    everything = b"\n".join(texts.values()).decode(errors="replace")
    for proof in ("signer_day_limit", "signer_refused", "min_out_not_met", "confirmed", "refused"):
        assert proof in everything, "it was exercised"
    assert engine.canaries.find_in(texts) == []
