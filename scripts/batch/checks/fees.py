"""What orders say of the network fee of their transactions, in lamports.

The words are those of the engine, which refuses the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

AUTO = "auto"
SIGNATURE_FEE = 5_000
LAMPORTS_MAX = 10_000_000_000


def find_fee_faults(fields: Mapping[str, object]) -> Iterator[str]:
    """Find what is wrong with the fees that an order asks for."""
    priority, most = fields.get("priorityFee"), fields.get("maxFeeLamports")
    if priority is None or (isinstance(priority, str) and priority.lower() == AUTO):
        return
    lamports = None if isinstance(priority, bool) else priority
    if not isinstance(lamports, int) or not 0 <= lamports <= LAMPORTS_MAX:
        yield f"priorityFee: must be {AUTO!r}, or whole lamports from 0 to {LAMPORTS_MAX}"
        return
    needed = SIGNATURE_FEE + lamports
    if isinstance(most, int) and SIGNATURE_FEE <= most < needed:
        signature = f"with {SIGNATURE_FEE} for the signature"
        yield f"maxFeeLamports: is below {needed}, the priorityFee {signature}"
