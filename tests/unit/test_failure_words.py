"""Every code that an order can fail or be withdrawn with has words, the same in both clients."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import ROOT
from tui.output.failure_meanings import MEANINGS

ORDER_PACKAGES = (
    "domain", "venues", "routing", "chain", "execution", "signer", "triggers", "store/withdrawals",
)  # fmt: skip
ERRORS = {"Rejected", "Transient", "Unavailable", "OutcomeUnknown", "final_error", "ProgramError"}
CODE = re.compile(r"[a-z]+(_[a-z]+)+")
NO_ORDERS = {
    "history_unavailable",  # of the wallets' history
    "transaction_missing",
    "marks_raised",  # points of the watch
    "orders_met",
    "orders_released",
    "shards_claimed",
    "signer_socket",  # of a process that does not start
    "wallet_file",
}


def list_codes(path: Path) -> Iterator[str]:
    """The codes in a module: arguments of errors, rows of tables, and constants."""
    for node in ast.walk(ast.parse(path.read_text())):
        found: list[ast.expr] = []
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            found = node.args[:4] if node.func.id in ERRORS else []
        elif isinstance(node, ast.Tuple) and len(node.elts) == 2:
            code, words = node.elts
            found = [code] if isinstance(words, ast.Constant) and " " in str(words.value) else []
        elif isinstance(node, ast.AnnAssign | ast.Assign) and isinstance(node.value, ast.Constant):
            name = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
            found = [node.value] if isinstance(name, ast.Name) and name.id.isupper() else []
        for each in found:
            if isinstance(each, ast.Constant) and isinstance(each.value, str):
                yield from [each.value] if CODE.fullmatch(each.value) else []


def test_every_code_of_an_order_has_words() -> None:
    files = [path for name in ORDER_PACKAGES for path in (ROOT / "backend" / name).rglob("*.py")]
    codes = {code for path in files for code in list_codes(path)}
    assert len(codes) > 60  # the search still finds them
    assert codes - NO_ORDERS - set(MEANINGS) == set()


def test_the_page_has_the_same_words() -> None:
    script = (ROOT / "static" / "client" / "model" / "desk" / "failure_words.js").read_text()
    assert dict(re.findall(r'^  (\w+): "(.+)",$', script, re.MULTILINE)) == MEANINGS
