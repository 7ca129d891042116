"""The transactions of orders: those in their rows, and those that have landed."""

from __future__ import annotations

from base64 import b64decode
from typing import NamedTuple
from uuid import UUID

import asyncpg

from backend.simulator.wire.transaction_parser import ParsedTransaction, parse_transaction
from tests.integration.node_proxy import Json
from tests.scenario import EngineHarness, OrderHistory


class Landed(NamedTuple):
    """A transaction in a block, and the compute units that it has used."""

    transaction: ParsedTransaction
    units: int


async def read_landed(engine: EngineHarness, history: OrderHistory) -> Landed:
    """The transaction that has filled an order."""
    options = {"encoding": "base64", "commitment": "confirmed", "maxSupportedTransactionVersion": 1}
    body: Json = {"jsonrpc": "2.0", "id": 1, "method": "getTransaction"}
    body["params"] = [history.record.tx_hash, options]
    async with engine.node.post("/", json=body) as response:
        result = (await response.json())["result"]
    wire = b64decode(result["transaction"][0])
    return Landed(parse_transaction(wire), result["meta"]["computeUnitsConsumed"])


async def read_submitted(database_url: str, order_id: UUID) -> ParsedTransaction:
    """The transaction of an order that is submitted."""
    connection = await asyncpg.connect(database_url)
    try:
        wire = await connection.fetchval("SELECT signed_tx FROM orders WHERE id = $1", order_id)
    finally:
        await connection.close()
    return parse_transaction(wire)
