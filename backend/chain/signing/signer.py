"""What signs the transactions of a wallet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from solders.pubkey import Pubkey
from solders.signature import Signature

SIGNER_REFUSED: Final = "signer_refused"
"""The code of a transaction that the signer's policy does not permit."""
SIGNER_DAY_LIMIT: Final = "signer_day_limit"
"""The code of a transaction that exceeds what the signer permits for a day."""
SIGNER_UNAVAILABLE: Final = "signer_unavailable"
"""The code of a signer that does not answer."""


class Signer(Protocol):
    """The key of one wallet, wherever it is."""

    @property
    def address(self) -> Pubkey:
        """The public key, which is the address of the wallet."""
        ...

    async def request_signature(self, message: bytes, mints: Sequence[Pubkey] = ()) -> Signature:
        """Sign the bytes of a message.

        ``mints`` are those of the token accounts that it opens: where the message names them in a
        lookup table only, a signer that reads no table proves by them whose accounts these are.
        Raises ``Rejected`` (``signer_refused``, ``signer_day_limit``) if a policy forbids it, and
        ``Unavailable`` (``signer_unavailable``) if the signer does not answer.
        """
        ...
