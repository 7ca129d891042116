"""The page's decimal arithmetic, compared with Python's."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal, localcontext
from random import Random

import pytest

from tests.browser.client_page import ClientPage

pytestmark = pytest.mark.asyncio(loop_scope="package")

COMPUTE = """
async (pairs) => {
  const { compare, differenceBps, divide, multiply } =
    await import("/static/client/model/decimal.js");
  return pairs.map(([a, b]) =>
    [divide(a, b, 12), multiply(a, b, 6), compare(a, b), differenceBps(a, b)]);
}
"""
SHORTEN = """
async (texts) => {
  const { formatShort } = await import("/static/client/model/decimal.js");
  return texts.map((text) => formatShort(text));
}
"""


def random_amount(random: Random) -> str:
    places = random.choice((0, 2, 5, 6, 9))
    return f"{Decimal(random.randint(1, 10 ** random.randint(1, 18))).scaleb(-places):f}"


def round_half_up(value: Decimal, places: int) -> str:
    return f"{value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP):f}"


async def test_what_is_derived_from_amounts_is_exact(client: ClientPage) -> None:
    await client.open()
    random = Random(7)
    pairs = [(random_amount(random), random_amount(random)) for _ in range(500)]
    results = await client.page.evaluate(COMPUTE, pairs)
    with localcontext() as context:
        context.prec = 100
        for (left, right), (quotient, product, sign, bps) in zip(pairs, results, strict=True):
            a, b = Decimal(left), Decimal(right)
            assert quotient == round_half_up(a / b, 12)
            assert product == round_half_up(a * b, 6)
            assert sign == (a > b) - (a < b)
            exact = (a / b - 1) * 10_000
            # Rounded to a tenth, and precise to as many digits as a double has.
            assert abs(Decimal(bps) - exact) <= Decimal("0.05") + abs(exact) / 10**12


async def test_displayed_numbers_are_short(client: ClientPage) -> None:
    await client.open()
    expected = {
        "0": "0",
        "100": "100",
        "1234567.891": "1,234,568",
        "1234.5678": "1,234.57",
        "0.999999999": "1",
        "12.500": "12.5",
        "0.000201": "0.000201",
        "0.000019867236": "0.0₄19867",
    }
    assert await client.page.evaluate(SHORTEN, list(expected)) == list(expected.values())
