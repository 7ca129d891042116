"""Logs of the signer: one function for each thing that happens."""

from __future__ import annotations

from backend.runtime.structured_log import structlog

_log: structlog.stdlib.BoundLogger = structlog.get_logger("order-engine")


def signer_started(addresses: list[str], path: str, count_file: str) -> None:
    """The signer accepts requests."""
    _log.info("signer started", wallets=addresses, socket=path, count_file=count_file)


def signature_refused(code: str, reason: str, pid: int, unlogged: int) -> None:
    """A client asked for a signature that the policy does not permit.

    ``unlogged`` refusals before it were not logged, as there were too many.
    """
    _log.warning("signature refused", code=code, reason=reason, pid=pid, unlogged=unlogged)


def client_refused(pid: int, uid: int) -> None:
    """A process of a user who may not use the signer has connected."""
    _log.warning("client refused", pid=pid, uid=uid)


def client_dropped(pid: int, reason: str) -> None:
    """The connection of a client was closed."""
    _log.warning("client dropped", pid=pid, reason=reason)
