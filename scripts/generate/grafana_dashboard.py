"""Writes the dashboard for Grafana: ``scripts/observability/grafana/dashboards``.

It opens on the four golden signals (latency, traffic, errors, saturation) and the time of an order
in each state. With ``--check`` nothing is written, and an outdated file is an error.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

DASHBOARD: Final = (
    Path(__file__).parents[1] / "observability" / "grafana" / "dashboards" / "order-engine.json"
)
WIDTH: Final = 24
HEIGHT: Final = 8
SOURCE: Final = {"type": "prometheus", "uid": "prometheus"}


class Panel(NamedTuple):
    """A graph: its title, its unit in Grafana's words, and a query for each legend."""

    title: str
    unit: str
    queries: dict[str, str]


def quantile(share: float, metric: str, by: str = "") -> str:
    """The quantile of a histogram over the interval of the graph."""
    labels = f"le, {by}" if by else "le"
    rate = f"rate({metric}_bucket[$__rate_interval])"
    return f"histogram_quantile({share}, sum by ({labels}) ({rate}))"


def rate(metric: str, by: str = "") -> str:
    """The rate of a counter over the interval of the graph."""
    grouping = f" by ({by})" if by else ""
    return f"sum{grouping} (rate({metric}[$__rate_interval]))"


ROWS: Final = {
    "Golden signals": (
        Panel(
            "Latency of requests",
            "s",
            {
                "p50": quantile(0.5, "http_request_seconds"),
                "p99": quantile(0.99, "http_request_seconds"),
            },
        ),
        Panel(
            "Traffic: orders a second",
            "ops",
            {
                "accepted": rate("orders_accepted_total"),
                "{{status}}": rate("orders_ended_total", "status"),
            },
        ),
        Panel(
            "Errors a second",
            "ops",
            {
                "5xx": rate('http_requests_total{status=~"5.."}'),
                "failed: {{code}}": rate('orders_ended_total{status="failed"}', "code"),
                "retried: {{code}}": rate("orders_retried_total", "code"),
                "jobs": rate("jobs_failed_total"),
            },
        ),
        Panel(
            "Saturation",
            "short",
            {
                "orders in execution": "sum(orders_in_flight)",
                "jobs queued": "max(jobs_queued)",
                "sockets": "sum(websockets_open)",
                "connections": "sum(http_connections_open)",
            },
        ),
    ),
    "An order": (
        Panel(
            "Time in each state, median",
            "s",
            {"{{status}}": quantile(0.5, "order_state_seconds", "status")},
        ),
        Panel(
            "Time in each state, p99",
            "s",
            {"{{status}}": quantile(0.99, "order_state_seconds", "status")},
        ),
    ),
    "Stores": (
        Panel(
            "Commits of the journal",
            "s",
            {
                "p50": quantile(0.5, "journal_commit_seconds"),
                "p99": quantile(0.99, "journal_commit_seconds"),
            },
        ),
        Panel(
            "What waits",
            "s",
            {"stream of events": "max(feed_lag_seconds)", "oldest job": "max(jobs_queued_seconds)"},
        ),
        Panel(
            "Failures a second",
            "ops",
            {
                "PostgreSQL gone": rate("database_gone_total"),
                "statements: {{reaction}}": rate("database_statements_failed_total", "reaction"),
                "Redis gone": rate("redis_gone_total"),
            },
        ),
    ),
    "Chain": (
        Panel(
            "Calls of the node, p99", "s", {"{{method}}": quantile(0.99, "rpc_seconds", "method")}
        ),
        Panel(
            "Calls a second",
            "ops",
            {
                "{{outcome}}": rate("rpc_calls_total", "outcome"),
                "held": rate("rpc_calls_paused_total"),
            },
        ),
        Panel(
            "SOL of the wallets",
            "short",
            {"{{wallet}}": "min by (wallet) (wallet_sol)", "reserve": "max(wallet_reserve_sol)"},
        ),
    ),
}


def build_dashboard() -> dict[str, Any]:
    """The dashboard as Grafana reads it."""
    return {
        "uid": "order-engine",
        "title": "Order engine",
        "schemaVersion": 39,
        "editable": False,
        "refresh": "15s",
        "time": {"from": "now-1h", "to": "now"},
        "annotations": {"list": [_ALERTS]},
        "panels": list(_place_panels()),
    }


_ALERTS: Final = {
    "name": "Alerts",
    "enable": True,
    "datasource": SOURCE,
    "expr": 'ALERTS{alertstate="firing"}',
    "titleFormat": "{{alertname}}",
    "iconColor": "red",
}


def _place_panels() -> Iterator[dict[str, Any]]:
    y = 0
    for title, panels in ROWS.items():
        yield {"type": "row", "title": title, "gridPos": {"h": 1, "w": WIDTH, "x": 0, "y": y}}
        width = WIDTH // len(panels)
        for at, panel in enumerate(panels):
            place = {"h": HEIGHT, "w": width, "x": at * width, "y": y + 1}
            yield {**_draw_panel(panel), "gridPos": place}
        y += HEIGHT + 1


def _draw_panel(panel: Panel) -> dict[str, Any]:
    return {
        "type": "timeseries",
        "title": panel.title,
        "datasource": SOURCE,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": {"tooltip": {"mode": "multi"}, "legend": {"displayMode": "list"}},
        "targets": [
            {
                "refId": chr(ord("A") + at),
                "datasource": SOURCE,
                "expr": expr,
                "legendFormat": legend,
            }
            for at, (legend, expr) in enumerate(panel.queries.items())
        ],
    }


def main() -> None:
    """Write the file, or with ``--check`` fail if it is outdated."""
    text = json.dumps(build_dashboard(), indent=1) + "\n"
    if sys.argv[1:] == ["--check"]:
        if DASHBOARD.read_text() != text:
            sys.exit(f"{DASHBOARD.name} is not up to date: run {Path(__file__).name}")
        return
    DASHBOARD.parent.mkdir(exist_ok=True)
    DASHBOARD.write_text(text)


if __name__ == "__main__":
    main()
