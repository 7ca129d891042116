"""How long a worker that stops tries to release its leases; its supervisor knows it too."""

from typing import Final

RELEASE_TIMEOUT_S: Final = 10.0
