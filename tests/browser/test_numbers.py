"""The page's arithmetic on decimals, against that of Python."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal, localcontext
from random import Random

import pytest

from tests.browser.screen import Screen

pytestmark = pytest.mark.asyncio(loop_scope="package")

COMPUTE = """
async (pairs) => {
  const { bpsAbove, compare, product, ratio } = await import("/static/client/decimal.js");
  return pairs.map(([a, b]) =>
    [ratio(a, b, 12), product(a, b, 6), compare(a, b), bpsAbove(a, b)]);
}
"""
SHORTEN = """
async (texts) => {
  const { short } = await import("/static/client/decimal.js");
  return texts.map((text) => short(text));
}
"""


def amount(random: Random) -> str:
    places = random.choice((0, 2, 5, 6, 9))
    return f"{Decimal(random.randint(1, 10 ** random.randint(1, 18))).scaleb(-places):f}"


def rounded(value: Decimal, places: int) -> str:
    return f"{value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP):f}"


async def test_what_is_derived_from_amounts_is_exact(screen: Screen) -> None:
    await screen.open()
    random = Random(7)
    pairs = [(amount(random), amount(random)) for _ in range(500)]
    found = await screen.page.evaluate(COMPUTE, pairs)
    with localcontext() as context:
        context.prec = 100
        for (left, right), (ratio, product, order, bps) in zip(pairs, found, strict=True):
            a, b = Decimal(left), Decimal(right)
            assert ratio == rounded(a / b, 12)
            assert product == rounded(a * b, 6)
            assert order == (a > b) - (a < b)
            exact = (a / b - 1) * 10_000
            # To a tenth, and in as many digits as a double has.
            assert abs(Decimal(bps) - exact) <= Decimal("0.05") + abs(exact) / 10**12


async def test_numbers_are_short_for_the_eye(screen: Screen) -> None:
    await screen.open()
    wanted = {
        "0": "0",
        "100": "100",
        "1234567.891": "1,234,568",
        "1234.5678": "1,234.57",
        "0.999999999": "1",
        "12.500": "12.5",
        "0.000201": "0.000201",
        "0.000019867236": "1.9867e-5",
    }
    assert await screen.page.evaluate(SHORTEN, list(wanted)) == list(wanted.values())
