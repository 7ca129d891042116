"""Which refusals of an order's terms may not be met again at another moment."""

from __future__ import annotations

from backend.domain.errors import EngineError
from backend.domain.limits.refusals import MARKET_LIMITS, ROUTE_LIMITS, LimitExceeded
from backend.domain.orders import LeasedOrder
from backend.routing.quote_choice import UNMET_TERMS_CODES


def is_unmet_now(order: LeasedOrder, error: EngineError) -> bool:
    """Whether the market does not meet an order now, by its terms or by limits on its route."""
    is_limit = isinstance(error, LimitExceeded) and error.name in MARKET_LIMITS
    return is_limit or error.code in UNMET_TERMS_CODES or order.lacks_pool(error)


def may_be_met_later(order: LeasedOrder, error: EngineError) -> bool:
    """Whether an order is to be tried again, as the wallet lacks its share, or as it waits for its
    price again, at which it may keep a limit: at another value, or on another day.
    """
    is_limit = isinstance(error, LimitExceeded) and error.name in ROUTE_LIMITS
    return order.lacks_share(error) or (order.waits_again and is_limit)
