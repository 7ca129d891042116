"""Configurations of the servers around the engine, and the values with which a page shows them.

The matrix and the tests run the same lines with values of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from string import Template
from typing import Final

EXAMPLES: Final[Mapping[str, Mapping[str, str]]] = {
    "pgbouncer.ini": {
        "postgres_host": "10.0.0.5",
        "postgres_port": "5432",
        "port": "6432",
        "pool_mode": "transaction",
        "folder": "/etc/pgbouncer",
    },
    "userlist.txt": {"password": "change-me"},
    "redis.conf": {"port": "6379", "folder": "/var/lib/redis"},
    "redis-tls.conf": {"port": "6379", "folder": "/etc/redis", "data": "/var/lib/redis"},
    "users.acl": {"password": "change-me", "admin_password": "change-me-too"},
    "nginx.conf": {
        "listen": "443",
        "name": "orders.example",
        "port": "3000",
        "folder": "/etc/nginx/tls",
    },
}
"""The values of each template as the page shows it."""


def render(name: str, values: Mapping[str, str]) -> str:
    """Fill in a template. Raises ``KeyError`` if a value is missing."""
    text = (resources.files(__name__) / name).read_text(encoding="utf-8")
    return Template(text).substitute(values)


def render_example(name: str) -> str:
    """Fill in a template with the values of the page."""
    return render(name, EXAMPLES[name])
