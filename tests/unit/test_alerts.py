"""The alerts: each fires when what it is about breaks, alone, and an operator finds what to do."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT

FOLDER = ROOT / "scripts" / "observability"
RULES: dict[str, str] = {
    rule["alert"]: rule["expr"]
    for group in yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"]
    for rule in group["rules"]
}
FIRES_AT = "40m"
PROMQL = {
    *("sum", "max", "min", "rate", "increase", "histogram_quantile", "absent", "scalar"),
    *("and", "or", "unless", "offset"),
}

HEALTHY = {
    'up{job="api"}': "1x60",
    'up{job="worker"}': "1x60",
    'http_requests_total{status="202"}': "0+600x60",
    'http_requests_total{status="503"}': "0+1x60",
    "orders_in_flight": "5x60",
    "order_state_seconds_count": "0+500x60",
    "jobs_queued_seconds": "1x60",
    'orders_retried_total{code="not_landed"}': "0+3x60",
    'orders_ended_total{status="confirmed"}': "0+100x60",
    "jobs_failed_total": "0x60",
    "jobs_unreadable_total": "0x60",
    "database_gone_total": "0x60",
    "redis_gone_total": "0x60",
    "journal_incomplete": "0x20 1x3 0x40",
    'journal_commit_seconds_bucket{le="0.05"}': "0+100x60",
    'journal_commit_seconds_bucket{le="1"}': "0+100x60",
    'journal_commit_seconds_bucket{le="+Inf"}': "0+100x60",
    "feed_lag_seconds": "0.2x60",
    'rpc_calls_total{outcome="ok"}': "0+1000x60",
    'rpc_calls_total{outcome="Transient"}': "0+5x60",
    'rpc_node_used{node="a"}': "1x60",
    'signer_available{socket="s"}': "1x60",
    'wallet_sol{wallet="w"}': "2x60",
    "wallet_reserve_sol": "0.01x60",
}
"""Series a minute apart, as promtool writes them, of an engine that nobody has to look after."""

BROKEN: dict[str, dict[str, str | None]] = {
    "ProcessDown": {'up{job="api"}': "1x30 0x30"},
    "NoWorkers": {'up{job="worker"}': None},
    "ApiFails": {'http_requests_total{status="503"}': "0+60x60"},
    "OrdersStuck": {"order_state_seconds_count": "0+500x20 10000x40"},
    "QueueWaits": {"jobs_queued_seconds": "1x30 45x30"},
    "OrdersRetried": {'orders_retried_total{code="not_landed"}': "0+80x60"},
    "JobsFail": {"jobs_failed_total": "0x38 1x20"},
    "JobsUnreadable": {"jobs_unreadable_total": "0x38 1x20"},
    "DatabaseGone": {"database_gone_total": "0x30 0+9x30"},
    "DatabaseStatementsFail": {
        'database_statements_failed_total{reaction="mend"}': "_x35 1x20",
    },
    "RedisGone": {"redis_gone_total": "0x30 0+9x30"},
    "JournalIncomplete": {"journal_incomplete": "0x30 1x30"},
    "JournalSlow": {'journal_commit_seconds_bucket{le="0.05"}': "0+90x60"},
    "FeedLags": {"feed_lag_seconds": "0.2x30 31+60x30"},
    "NodeFails": {'rpc_calls_total{outcome="Transient"}': "0+400x60"},
    "NodeLeftOut": {'rpc_node_used{node="b"}': "1x20 0x40"},
    "SignerAway": {'signer_available{socket="s"}': "1x30 0x30"},
    "WalletBelowReserve": {'wallet_sol{wallet="w"}': "2x30 0.015x30"},
    "BalanceDiffers": {'wallet_balance_differences_total{token="SOL"}': "_x35 1x20"},
    "BreakerFired": {'breakers_fired_total{reason="loss"}': "_x35 1x20"},
}
"""What is other than in a healthy engine, until its alert fires; None is a series that is gone."""


@pytest.fixture
def promtool() -> str:
    program = shutil.which("promtool")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("promtool is missing: apt-get install prometheus")
        pytest.skip("promtool is missing: apt-get install prometheus")
    return program


def build_case(alerts: list[str], changes: dict[str, str | None]) -> dict[str, Any]:
    """A case of promtool: exactly ``alerts`` fire after forty minutes of these series."""
    series = {name: values for name, values in {**HEALTHY, **changes}.items() if values}
    firing = {
        "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
        "eval_time": FIRES_AT,
        "exp_samples": [{"labels": f'{{alertname="{each}"}}', "value": 1} for each in alerts],
    }
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": each} for name, each in series.items()],
        "promql_expr_test": [firing],
    }


def test_each_alert_fires_for_what_it_is_about_and_no_other_does(
    promtool: str, tmp_path: Path
) -> None:
    cases = [build_case([], {}), *(build_case([name], each) for name, each in BROKEN.items())]
    file = tmp_path / "cases.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [str(FOLDER / "alerts.yaml")], "tests": cases}))
    run = subprocess.run(
        [promtool, "test", "rules", file], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert set(BROKEN) == set(RULES)


def test_prometheus_takes_its_configuration(promtool: str) -> None:
    subprocess.run(
        [promtool, "check", "config", FOLDER / "prometheus.yaml"], check=True, capture_output=True
    )


def test_each_alert_has_its_section_for_operators() -> None:
    page = (ROOT / "backend" / "OPERATIONS.md").read_text()
    sections = re.findall(r"^\*\*`(\w+)`\*\*(.+?)\n(?=\n|\Z)", page, re.MULTILINE | re.DOTALL)
    assert [name for name, _ in sections] == list(RULES)
    assert all(len(text) > 150 for _, text in sections)


def test_every_metric_of_alerts_and_dashboard_is_exported_by_the_engine() -> None:
    program = (
        "import backend.cli.api, backend.cli.worker\n"
        "from backend.runtime.observe import export_metrics\n"
        "print(export_metrics()[0].decode())"
    )
    text = subprocess.check_output([sys.executable, "-c", program], text=True)
    kinds = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE))
    exported = {"up", "ALERTS"}  # Prometheus' own
    for name, kind in kinds.items():
        suffixes = ("_bucket", "_count", "_sum") if kind == "histogram" else ("",)
        exported |= {name + suffix for suffix in suffixes}
    panels = json.loads((FOLDER / "grafana/dashboards/order-engine.json").read_text())["panels"]
    shown = [target["expr"] for panel in panels for target in panel.get("targets", [])]
    assert shown
    used = {name for expr in (*RULES.values(), *shown) for name in find_metrics(expr)}
    assert used - exported == set()


def find_metrics(expr: str) -> set[str]:
    """The names in an expression of PromQL but its own words and labels."""
    bare = re.sub(r"\{[^}]*\}|\[[^]]*\]|\bby \([^)]*\)", " ", expr)
    return set(re.findall(r"\b[A-Za-z_]\w*", bare)) - PROMQL


def test_the_dashboard_is_what_its_script_writes() -> None:
    script = ROOT / "scripts" / "generate" / "grafana_dashboard.py"
    subprocess.run([sys.executable, script, "--check"], check=True)
