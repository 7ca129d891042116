"""``order-engine report``: sums over the orders that ended in a time, from a running engine."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, Final

import aiohttp
import click

from backend.accounting.positions import CostMethod
from backend.accounting.report import Grouping

DEFAULT_URL: Final = "http://127.0.0.1:3000"
TIMEOUT_S: Final = 600.0
_JSON: Final = "application/json"
_CSV: Final = "text/csv"

Json = dict[str, Any]


@click.command()
@click.option("--from", "start", help="Begin at this time or date (UTC), such as 2026-11-30.")
@click.option("--to", "end", help="End before this time or date (UTC).")
@click.option(
    "--by",
    type=click.Choice([each.value for each in Grouping]),
    default=Grouping.PAIR.value,
    show_default=True,
    help="What the rows are by.",
)
@click.option(
    "--method",
    type=click.Choice([each.value for each in CostMethod]),
    default=CostMethod.AVERAGE.value,
    show_default=True,
    help="Which part of the cost a sale takes.",
)
@click.option("--csv", "media_type", flag_value=_CSV, help="Write CSV.")
@click.option("--json", "media_type", flag_value=_JSON, help="Write JSON.")
@click.option("--url", envvar="ORDER_ENGINE_URL", default=DEFAULT_URL, show_default=True)
@click.option(
    "--key-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    envvar="ORDER_ENGINE_API_KEY_FILE",
    show_envvar=True,
    help="File that holds the API key, which ORDER_ENGINE_API_KEY may hold as well.",
)
@click.option("--key", envvar="ORDER_ENGINE_API_KEY", hidden=True)
def report(
    start: str | None,
    end: str | None,
    by: str,
    method: str,
    media_type: str | None,
    url: str,
    key_file: Path | None,
    key: str | None,
) -> None:
    """Sum up orders, fills, fees and profit of a time.

    Of all orders of the caller that ended from --from to --to, by the engine's clock. Profit is in
    the reference token of the engine, before the fees of the network, which are in lamports.
    """
    query = {"from": start, "to": end, "by": by, "method": method}
    asked = {name: value for name, value in query.items() if value is not None}
    if key_file is not None:
        key = key_file.read_text(encoding="utf-8").strip()
    text = asyncio.run(_fetch(url, key, asked, media_type or _JSON))
    shown = format_report(json.loads(text)) if media_type is None else text
    click.echo(shown, nl=media_type != _CSV)


async def _fetch(url: str, key: str | None, query: dict[str, str], media_type: str) -> str:
    """The report as the engine sends it. Raises ``ClickException``."""
    headers = {"Accept": media_type} | ({"Authorization": f"Bearer {key}"} if key else {})
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    address = f"{url.rstrip('/')}/api/report"
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(address, params=query, headers=headers) as response,
        ):
            text = await response.text()
    except (aiohttp.ClientError, OSError, ValueError, TimeoutError) as error:
        reason = str(error) or type(error).__name__
        raise click.ClickException(f"no report from {url}: {reason}") from None
    if response.status != 200:
        raise click.ClickException(_explain(response.status, text))
    return text


def _explain(status: int, text: str) -> str:
    """A problem as a sentence for each of its fields."""
    try:
        problem = json.loads(text)
        errors = problem.get("errors") or []
        named = [f"--{each['field']} {each['reason']}" for each in errors]
        return "; ".join(named) or str(problem["detail"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"the engine answered with {status}"


def format_report(told: Json) -> str:
    """A report as lines for people: a table of its rows, and what the totals consist of."""
    reference, total = told["reference"], told["total"]
    names = (f"volume {reference}", f"realized {reference}", f"saved {reference}", "vs quote bps")
    head = (told["by"] or "", "orders", "fills", "failed", *names, "fees and tips SOL", "rent SOL")
    shown = [*((row["key"] or "-", row) for row in told["rows"]), ("total", total)]
    table = [head, *(_list_cells(name, row) for name, row in shown)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = [
        f"{told['from'] or 'the beginning'} to {told['to'] or 'now'}, {told['method']} cost",
        "",
        *("  ".join(_align(line, widths)) for line in table),
    ]
    for title, values in (
        ("sold", total["sold"]),
        ("bought", total["bought"]),
        ("fees of venues", total["venueFees"]),
        ("without a fill", total["reasons"]),
    ):
        if values:
            lines.append(f"{title}: " + ", ".join(f"{n} {name}" for name, n in values.items()))
    for title, count in (
        ("fills whose amount is not known yet", total["unknownFills"]),
        (f"fills without a value in {reference}", total["unvaluedFills"]),
        ("fills whose network fee is not known", total["unknownFees"]),
    ):
        if count:
            lines.append(f"{title}: {count}")
    return "\n".join(lines)


def _list_cells(name: str, row: Json) -> tuple[str, ...]:
    slippage = row["slippageBps"]
    return (
        name,
        str(sum(row["orders"].values())),
        str(row["fills"]),
        str(row["orders"].get("failed", 0)),
        *(row[each] for each in ("volume", "realized", "savedValue")),
        "-" if slippage is None else str(-slippage),
        _format_sol(row["networkFeeLamports"] + row["fees"].get("tipLamports", 0)),
        _format_sol(row["fees"].get("rentLamports", 0)),
    )


def _format_sol(lamports: int) -> str:
    return f"{lamports / 10**9:.9f}"


def _align(cells: tuple[str, ...], widths: list[int]) -> list[str]:
    name, *others = cells
    return [
        name.ljust(widths[0]),
        *(each.rjust(width) for each, width in zip(others, widths[1:], strict=True)),
    ]
