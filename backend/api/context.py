"""The API context: the services that every view works with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from backend.api.admission.authenticator import Authenticator
from backend.api.admission.control import AdmissionControl
from backend.api.admission.metrics_access import MetricsAccess
from backend.api.admission.tickets import Tickets
from backend.api.delivery.feed_tail import FeedTail
from backend.api.delivery.open_sockets import OpenSockets
from backend.api.delivery.price_tail import PriceTail
from backend.api.stats_cache import StatsCache
from backend.api.webhooks.services import WebhookServices
from backend.api.wire.cursors import StreamCursors
from backend.api.wire.public_address import PublicAddress
from backend.domain.amounts import Token
from backend.engine.api_services import ApiServices


@dataclass(frozen=True, slots=True)
class ApiContext:
    """Everything that views work with, one of each per API process."""

    services: ApiServices
    authenticator: Authenticator
    tickets: Tickets
    metrics_access: MetricsAccess
    admission: AdmissionControl
    feed_tail: FeedTail
    price_tail: PriceTail
    open_sockets: OpenSockets
    stats_cache: StatsCache
    stream_cursors: StreamCursors
    public_address: PublicAddress
    webhooks: WebhookServices
    describe_api: Callable[[], str]
    """Returns the OpenAPI document as JSON text, without the address of this server."""

    @property
    def reference(self) -> Token:
        """The token that fills are valued in."""
        return self.services.tokens.find(self.services.accounts.fills.reference, "reference")
