"""The balances of the wallets that pay for orders."""

from __future__ import annotations

from backend.api.context import ApiContext
from backend.api.wire.http import Request, Response, json_response
from backend.api.wire.problems import to_problem
from backend.domain.amounts import format_amount
from backend.domain.errors import EngineError, InvalidInput
from backend.domain.times import format_time
from backend.domain.tokens import TokenRegistry
from backend.execution.wallet.balance_sheet import TokenBalance, WalletSheet
from backend.store.wallets.reconciliations import BalanceDifference, read_differences

Json = dict[str, object]


async def get_balances(api: ApiContext, request: Request) -> Response:
    """``GET /api/balances``: by wallet and token, and the latest unexplained differences."""
    services = api.services
    try:
        sheets = await services.balance_sheet.read()
        differences = await read_differences(services.readers)
    except EngineError as error:
        raise to_problem(error) from None
    return json_response(
        {
            "wallets": [_show_sheet(each) for each in sheets],
            "differences": [_show_difference(each, services.tokens) for each in differences],
        }
    )


def _show_sheet(sheet: WalletSheet) -> Json:
    return {
        "wallet": sheet.wallet,
        "slot": sheet.slot,
        "ordersInFlight": sheet.orders_in_flight,
        "balances": [_show_balance(each) for each in sheet.balances],
    }


def _show_balance(balance: TokenBalance) -> Json:
    token, held, reserved = balance
    amounts = held, reserved, max(held - reserved, 0)
    shown = (format_amount(each, token.decimals) for each in amounts)
    return {"token": token.symbol, **dict(zip(("held", "reserved", "free"), shown, strict=True))}


def _show_difference(difference: BalanceDifference, tokens: TokenRegistry) -> Json:
    try:
        decimals = tokens.find(difference.token, "token").decimals
    except InvalidInput:
        decimals = 0
    sign = "-" if difference.amount < 0 else ""
    return {
        "at": format_time(difference.at),
        "wallet": difference.wallet,
        "token": difference.token,
        "amount": sign + format_amount(abs(difference.amount), decimals),
        "slot": difference.slot,
    }
