"""The columns of new orders in the input of the statements that store them."""

from __future__ import annotations

from typing import Final

INPUT_TYPES: Final = """\
        $1::uuid[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::uuid[], $7::text[],
        $8::text[], $9::text[], $10::numeric[], $11::numeric[], $12::int[], $13::int[],
        $14::text[], $15::timestamptz[], $16::jsonb[], $17::jsonb[], $18::bool[]"""
INPUT_NAMES: Final = """id, owner, client_order_id, idempotency_key, request_hash, batch_id, type,
           token_in, token_out, amount_in, min_amount_out, slippage_bps, max_price_impact_bps,
           time_in_force, expires_at, data, condition, waits"""
"""The columns of ``backend.store.intake.order_rows.to_columns``, the first arguments."""
