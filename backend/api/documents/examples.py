"""Examples of bodies and responses in the OpenAPI document."""

from __future__ import annotations

from typing import Final

from backend.api.documents.schema_parts import Schema

_ORDER: Final[Schema] = {
    "tokenIn": "SOL",
    "tokenOut": "USDC",
    "amount": "1.5",
    "slippageBps": 50,
    "maxPriceImpactBps": 500,
    "clientOrderId": "my-order-1",
}
EXAMPLES: Final[dict[str, object]] = {
    "OrderBody": _ORDER,
    "BatchBody": {"orders": [_ORDER, {"tokenIn": "USDC", "tokenOut": "BONK", "amountIn": "25"}]},
    "AmendBody": {"limitPrice": "101.5", "expiresAt": "2027-01-31T12:00:00Z"},
    "CancelAfterBody": {"seconds": 0},
    "LimitsBody": {"maxOrdersPerSecond": 20, "maxOpenOrders": 500, "maxOrderValue": "1000"},
    "HaltBody": {"why": "the wallet is being moved"},
    "ResumeBody": {},
    "WebhookBody": {
        "url": "https://hooks.example/orders",
        "eventTypes": ["order.confirmed", "order.failed"],
    },
    "WebhookChangeBody": {"enabled": True},
    "RotateSecretBody": {"overlapS": 86_400},
    "SwapBody": {"tokenIn": "SOL", "tokenOut": "USDC", "amount": "1.5"},
    "Queued": {
        "status": "queued",
        "orderId": "019a9d2e-5c1b-7f3a-8e47-3f0a7c1d2b90",
        "ws_url": "ws://127.0.0.1:3000/api/orders/execute"
        "?orderId=019a9d2e-5c1b-7f3a-8e47-3f0a7c1d2b90",
        "statusUrl": "/api/orders/019a9d2e-5c1b-7f3a-8e47-3f0a7c1d2b90",
        "createdAt": "2026-11-21T16:09:00.123456Z",
        "clientOrderId": "my-order-1",
    },
    "Quotes": {
        "tokenIn": "SOL",
        "tokenOut": "USDC",
        "amountIn": "1.5",
        "slippageBps": 50,
        "maxPriceImpactBps": 500,
        "dex": "meteora",
        "program": "damm_v2",
        "pool": "8Ds9o8cTVcTQDvS5VbU2ZbPV1TmRgoF7SuRkPHUnQ5NQ",
        "quotes": [
            {
                "dex": "raydium",
                "program": "cpmm",
                "pool": "7JuwJuNU88gurFnyWeiyGKbFmExMWcmRZntn9imEzdny",
                "price": "99.6012",
                "fee": "0.003",
                "amountOut": "149.4018",
                "priceImpact": "0.0004",
            },
            {
                "dex": "meteora",
                "program": "damm_v2",
                "pool": "8Ds9o8cTVcTQDvS5VbU2ZbPV1TmRgoF7SuRkPHUnQ5NQ",
                "price": "99.8123",
                "fee": "0.002",
                "amountOut": "149.71845",
                "priceImpact": "0.0005",
            },
        ],
        "minAmountOut": "148.969857",
    },
}
PROBLEM: Final[Schema] = {
    "type": "about:blank",
    "title": "Unprocessable Entity",
    "status": 422,
    "detail": "amount: must be greater than 0",
    "code": "invalid_field",
    "instance": "/api/orders/execute",
    "errors": [{"field": "amount", "code": "invalid_field", "reason": "must be greater than 0"}],
}
