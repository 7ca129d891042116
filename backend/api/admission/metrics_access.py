"""Who may read ``/metrics``: callers on this machine, those with a key, or everybody."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

from backend.api.admission.authenticator import Authenticator
from backend.api.admission.refusals import require_scope
from backend.api.wire.forwarded import FORWARDED_HEADERS
from backend.api.wire.hosts import HostRule, HostScope
from backend.api.wire.http import Request, parse_headers, problem_response
from backend.api.wire.problems import Problem
from backend.api.wire.public_address import PublicAddress
from backend.domain.access.principals import NOBODY
from backend.domain.access.scopes import Scope
from backend.engine.metrics_server import Refusal

_LOOPBACK_HOSTS = HostRule(HostScope.LOOPBACK)


class MetricsAccess:
    """Decides who may read metrics, by the setting ``metrics_access``."""

    def __init__(
        self, setting: str, authenticator: Authenticator, public_address: PublicAddress
    ) -> None:
        self._setting = setting
        self._authenticator = authenticator
        self._public_address = public_address

    def require(self, request: Request) -> None:
        """Return if the caller may read metrics. Raises ``Problem``: 401, 403."""
        if self._setting == "key":
            require_scope(self._authenticator.authenticate_by_key(request.headers), (Scope.READ,))
        elif self._setting == "loopback" and not self._is_local(request):
            raise Problem(
                403,
                "metrics_not_permitted",
                "metrics are for callers on this machine: set ORDER_ENGINE_METRICS_ACCESS to key,"
                " to read them with an API key, or to open",
            )

    def find_refusal(self, environ: Mapping[str, Any]) -> Refusal | None:
        """The response to a caller that may not read the metrics of a worker."""
        lines = [
            (name.removeprefix("HTTP_").replace("_", "-").lower().encode(), text.encode("latin1"))
            for name, text in environ.items()
            if name.startswith("HTTP_")
        ]
        peer = environ.get("REMOTE_ADDR", "")
        request = Request(
            NOBODY, "/metrics", parse_headers(lines), {}, peer=peer, raw_headers=lines
        )
        try:
            self.require(request)
        except Problem as problem:
            response = problem_response(problem, request.path)
            headers = {"Content-Type": response.content_type, **response.headers}
            return Refusal(response.status, headers, str(response.body).encode())
        return None

    def _is_local(self, request: Request) -> bool:
        """Whether the caller is on this machine; one behind a proxy is only if the proxy says so.

        A proxy that is not trusted is believed nothing.
        """
        address = self._public_address.find_client_address(request)
        is_direct = FORWARDED_HEADERS.isdisjoint(request.headers)
        if not is_direct and not self._public_address.is_trusted(request.peer):
            return False
        is_loopback = bool(address) and ip_address(address).is_loopback
        return is_loopback and _LOOPBACK_HOSTS.allows(request.headers.get("host", ""))
