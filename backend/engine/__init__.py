"""Composition root: opens all services that a process needs, and closes them in reverse order.

The only package that knows all components. It reads their settings, and injects the impure
dependencies that the domain code must not access itself: clock, randomness and ids.
"""

from backend.engine.api_services import ApiServices, new_id, now, open_api_services
from backend.engine.shared_services import SharedServices
from backend.engine.worker import run_worker

__all__ = [
    "ApiServices",
    "SharedServices",
    "new_id",
    "now",
    "open_api_services",
    "run_worker",
]
