"""Files of orders as users have them, and what the batch script says before it sends any."""

from __future__ import annotations

import asyncio
import sys
from importlib import import_module
from pathlib import Path
from typing import Final

import click
import pytest
from click.testing import CliRunner

from tests.conftest import ROOT
from tests.integration.apis import UNREACHABLE_NODE
from tests.integration.test_submit_batch import run_script

COLUMNS: Final = "tokenIn,tokenOut,amount"
ORDER: Final = '{"tokenIn": "SOL", "tokenOut": "USDC", "amount": "1"'
FAULTY_FILES: Final = {
    "no header": (b"SOL,USDC,1\nSOL,USDC,2\n", ["line 1: there is no header"]),
    "semicolons": (b"tokenIn;tokenOut;amount\nSOL;USDC;1,5\n", ["line 1: ", "semicolons"]),
    "quoted semicolons": (
        b'"tokenIn";"tokenOut";"amount"\n"SOL";"USDC";"1"\n',
        ["line 1: ", "semicolons"],
    ),
    "capitals": (b"TOKENIN,TOKENOUT,AMOUNT\nSOL,USDC,1\n", ["did you mean tokenIn?", "amount?"]),
    "sep=": (b"sep=,\ntokenIn,tokenOut,amount\nSOL,USDC,1\n", ["line 1: ", "remove this line"]),
    "tabs": (b"tokenIn\ttokenOut\tamount\nSOL\tUSDC\t1\n", ["line 1: ", "tabs"]),
    "names": (
        b"tokenin,tokenOut,amount,slippageTolerance\nSOL,USDC,1,1\n",
        ["line 1: unknown name 'tokenin': did you mean tokenIn?", "slippageBps, in basis points"],
    ),
    "columns": (
        b"\xef\xbb\xbftokenIn,tokenOut,amount\r\n\r\nSOL,USDC,1,5\r\n,,\r\nSOL,USDC\r\nSOL,,1\r\n",
        ["line 3: has 4 columns, the header has 3", "line 5: has 2 columns", "line 6: 'tokenOut'"],
    ),
    "names twice": (
        b"tokenIn,tokenOut,amount,clientOrderId\nSOL,USDC,1,a\nSOL,USDC,2,b\nSOL,USDC,3,a\n",
        ["line 4: clientOrderId: 'a' is that of line 2 too"],
    ),
    "columns twice": (
        b"tokenIn,tokenOut,amount,amount\nSOL,USDC,1,2\n",
        ["'amount' is there twice"],
    ),
    "an open quote": (
        b'tokenIn,tokenOut,amount\nSOL,USDC,1\n"SOL,USDC,1\nSOL,USDC,2\n',
        ["line 3: a quote opens here"],
    ),
    "latin-1": (b"tokenIn,tokenOut,amount\nSOL,US\xe9,1\n", ["line 2: is no UTF-8 text"]),
    "utf-16": ("tokenIn,tokenOut,amount\n".encode("utf-16"), ["line 1: is UTF-16"]),
    "utf-16 without a mark": ("tokenIn,tokenOut,amount\n".encode("utf-16-le"), ["line 1: ", "NUL"]),
    "a NUL": (b"tokenIn,tokenOut,amount\nSOL,US\0C,1\n", ["line 2: ", "NUL"]),
    "binary": (bytes(100_000), ["line 1: is longer than"]),
    "percentage": (
        b"tokenIn,tokenOut,amount,slippage\nSOL,USDC,1,0.005\nSOL,USDC,1,1\n",
        ["line 3: slippage: 1 is a fraction or a percentage", "write slippageBps"],
    ),
    "only a header": (b"tokenIn,tokenOut,amount\n\n", ["has no orders"]),
    "json": (
        f'{ORDER}}}\n\n{ORDER}, "amount": "2"}}\n[1]\n{ORDER}, "size": 1}}\n{ORDER}\n'.encode(),
        [
            "line 3: 'amount' is there twice",
            "line 4: is no JSON object",
            "line 5: unknown name 'size'",
            "line 6: is no JSON object of one line",
        ],
    ),
    "json array": (f"[{ORDER}}}]".encode(), ["line 1: a JSON array begins here"]),
}


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> click.Command:
    """The command of the script: a process for each of many files would take most of a minute."""
    monkeypatch.syspath_prepend(ROOT / "scripts")
    command: click.Command = import_module("submit_batch").main
    return command


@pytest.mark.parametrize(("content", "reasons"), FAULTY_FILES.values(), ids=FAULTY_FILES)
def test_a_faulty_file_is_refused_with_its_lines_before_anything_is_sent(
    tmp_path: Path, script: click.Command, content: bytes, reasons: list[str]
) -> None:
    file = tmp_path / "orders"
    file.write_bytes(content)
    result = CliRunner().invoke(script, ["--url", UNREACHABLE_NODE, "--file", str(file)])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "no order engine answers" not in result.stderr  # nothing was even tried
    for reason in reasons:
        assert reason in result.stderr


async def test_the_faults_of_a_large_file_are_counted_and_the_first_ones_shown(
    tmp_path: Path,
) -> None:
    file = tmp_path / "orders.csv"
    file.write_text(f"{COLUMNS}\n" + "SOL,USDC,1\n" * 50_000 + "SOL,USDC,1,5\n" * 10_000)
    code, _, errors = await run_script(UNREACHABLE_NODE, "--file", str(file))
    assert code == 2
    assert "has 10,000 faults" in errors
    assert "line 50002: has 4 columns" in errors
    assert "… and 9,980 more" in errors
    assert len(errors.splitlines()) < 30


async def test_check_needs_no_server_and_names_wrong_values(tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    file.write_bytes(
        b'\xef\xbb\xbf"tokenIn",tokenOut,amount\r\nSOL,USDC,"1.5"\r\n\r\nSOL,SOL,x\r\n'
    )
    code, output, errors = await run_script(UNREACHABLE_NODE, "--file", str(file), "--check")
    assert code == 2
    assert "line 4: amount: 'x' must be a number above 0" in errors
    assert "line 4: tokenOut: 'SOL' is the token that is sold" in errors
    assert "2 orders: 2 values are wrong" in output
    assert "nothing was sent" in output
    code, output, errors = await run_script(
        UNREACHABLE_NODE, "--file", "-", "--check", stdin=f"\ufeff{COLUMNS}\nSOL,USDC,1\n"
    )
    assert (code, errors) == (0, "")
    assert "1 order: no fault found" in output


async def test_check_names_wrong_values_of_orders_that_wait(tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    names = "type,limitPrice,triggerPrice,priceOf,trailBps,confirmations,then"
    file.write_text(
        f"{COLUMNS},{names}\nSOL,USDC,1,limit,95.5,,,,,\nSOL,USDC,1,STOPLIMIT,9,10,tokenOut,,3,\n"
        "SOL,USDC,1,stop,,-1,,,,\nSOL,USDC,1,trailingStop,,,,49,11,\n"
        "SOL,USDC,1,takeProfit,,9,SOL,,,wait\n"
    )
    code, _, errors = await run_script(UNREACHABLE_NODE, "--file", str(file), "--check")
    assert code == 2
    for line, name in ((4, "triggerPrice"), (5, "trailBps"), (5, "confirmations")):
        assert f"line {line}: {name}: " in errors
    for line, name in ((6, "priceOf"), (6, "then")):
        assert f"line {line}: {name}: " in errors
    assert "line 2" not in errors
    assert "line 3" not in errors


async def test_check_names_fields_that_a_type_does_not_have_or_needs(tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    file.write_text(
        f"{COLUMNS},type,limitPrice,triggerPrice\nSOL,USDC,1,stop,90,\nSOL,USDC,1,,90,\n"
        "SOL,USDC,1,STOP,,90\n"
    )
    code, output, errors = await run_script(UNREACHABLE_NODE, "--file", str(file), "--check")
    assert code == 2
    assert errors.splitlines() == [
        "line 2: limitPrice: belongs to orders of type limit, stopLimit, twap, not to stop",
        "line 2: triggerPrice: is required for stop orders",
        "line 3: limitPrice: belongs to orders of type limit, stopLimit, twap, not to market",
    ]
    assert "3 orders: 3 values are wrong" in output


async def test_check_names_wrong_guards_of_snipers(tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    names = "type,minLiquidity,freezeAuthorityNone,maxFeeBps,dexes,looks"
    file.write_text(
        f"{COLUMNS},{names}\nSOL,USDC,1,sniper,5.5,TRUE,100,raydium meteora,3\n"
        "SOL,USDC,1,sniper,-1,yes,10001,,11\n"
    )
    code, _, errors = await run_script(UNREACHABLE_NODE, "--file", str(file), "--check")
    assert code == 2
    for name in ("minLiquidity", "freezeAuthorityNone", "maxFeeBps", "looks"):
        assert f"line 3: {name}: " in errors
    assert "line 2" not in errors
    lines = tmp_path / "orders.jsonl"
    order = '{"tokenIn":"SOL","tokenOut":"USDC","amount":1,"type":"sniper"'
    lines.write_text(
        f'{order},"dexes":["raydium"],"mintAuthorityRevoked":true}}\n{order},"looks":true}}\n'
    )
    code, _, errors = await run_script(UNREACHABLE_NODE, "--file", str(lines), "--check")
    assert code == 2
    assert "line 2: looks: must be text or a number" in errors
    assert "line 1" not in errors


async def test_check_names_lines_that_are_no_group(tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    rows = ("one", "a", "a", "one", "b", "b", "b", "")
    file.write_text(f"{COLUMNS},ocoGroup\n" + "".join(f"SOL,USDC,1,{row}\n" for row in rows))
    code, _, errors = await run_script(UNREACHABLE_NODE, "--file", str(file), "--check")
    assert code == 2
    for line, count in ((2, 1), (5, 2), (6, 3)):
        words = f"is that of {count}: a group is two lines, one behind the other"
        assert any(
            each.startswith(f"line {line}: ocoGroup: ") and words in each
            for each in errors.splitlines()
        ), errors
    assert "line 3" not in errors


@pytest.mark.parametrize("lines", [("--batch-size", "10"), ()])
async def test_a_file_with_a_wrong_value_is_not_placed_in_part(
    tmp_path: Path, lines: tuple[str, ...]
) -> None:
    file = tmp_path / "orders.csv"
    file.write_text(
        f"{COLUMNS},slippageBps,type\nSOL,USDC,1,,\nSOL,USDC,-1,,\nSOL,USDC,1_0,,\n"
        "SOL,USDC,1,10001,\nSOL,USDC,1,,oco\n"
    )
    code, output, errors = await run_script(UNREACHABLE_NODE, "--file", str(file), *lines)
    assert (code, output) == (2, "")
    assert "no order engine answers" not in errors  # nothing was even tried
    assert "4 values are wrong, nothing was sent (--skip-faulty places the other lines)" in errors
    for line, name in ((3, "amount"), (4, "amount"), (5, "slippageBps"), (6, "type")):
        assert f"line {line}: {name}: " in errors
    _, _, errors = await run_script(UNREACHABLE_NODE, "--file", str(file), "--skip-faulty", *lines)
    assert "no order engine answers" in errors


async def test_a_result_file_that_cannot_be_written_is_refused_first(tmp_path: Path) -> None:
    orders = tmp_path / "orders.csv"
    orders.write_text(f"{COLUMNS}\nSOL,USDC,1\n")
    for out, sentence in (
        (tmp_path / "rows.txt", "must end in .csv or .jsonl"),
        (tmp_path / "none" / "rows.csv", "it does not exist"),
        (orders, "this is the file of the orders"),
    ):
        code, output, errors = await run_script(
            UNREACHABLE_NODE, "--file", str(orders), "--out", str(out)
        )
        assert (code, output) == (2, "")
        assert sentence in errors
    assert orders.read_text() == f"{COLUMNS}\nSOL,USDC,1\n"


async def test_again_does_not_change_names_that_the_file_gives(tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    file.write_text(f"{COLUMNS},clientOrderId\nSOL,USDC,1,mine\n")
    code, _, errors = await run_script(UNREACHABLE_NODE, "--file", str(file), "--again")
    assert code == 2
    assert "clientOrderId of their own" in errors


async def test_errors_are_words(tmp_path: Path) -> None:
    for url, sentence in (
        (UNREACHABLE_NODE, "nothing listens there"),
        ("http://nowhere.invalid", "the name nowhere.invalid is not known"),
        ("http://127.0.0.1:notaport", "no valid address"),
        ("ftp://127.0.0.1", "write the API's address as http://HOST:PORT"),
    ):
        code, output, errors = await run_script(url)
        assert (code, output) == (2, "")
        assert sentence in errors
        assert "ssl:default" not in errors
        assert "Traceback" not in errors
    for path, sentence in ((tmp_path / "none", "it does not exist"), (tmp_path, "is a folder")):
        code, _, errors = await run_script(UNREACHABLE_NODE, "--file", str(path))
        assert code == 2
        assert sentence in errors
        assert "Errno" not in errors
    code, _, errors = await run_script(UNREACHABLE_NODE, "--file", "x", "--slippage-bps", "1")
    assert code == 2
    assert "--slippage-bps: of drawn orders" in errors


async def test_help_lists_columns_and_examples_for_any_python() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "scripts/submit_batch.py", "--help"), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    for text in (b"clientOrderId", b"maxPriceImpactBps", b"Examples:", b"--dry-run", b"124"):
        assert text in output
    _, _, columns = output.decode().partition("Columns of a CSV file")
    columns, _, _ = columns.partition("Examples:")
    assert "twap or sniper" in columns
    assert "mintAuthorityRevoked  of sniper" in columns
