"""A minimal Bitget account behind the fake wire: hand-written rows, answered by path."""

from collections.abc import Mapping
from typing import Any

from reconcile.exchanges.bitget.adapter import Bitget
from reconcile.exchanges.http.wire import HttpResponse
from reconcile.model.account import Address, MarginType, Position, Side
from reconcile.model.plan import MoveMargin, SetMarginType
from tests.kit.adapter_desk import AdapterDesk, isolated, margin_step
from tests.kit.fakes import SERVED_MS, answer

TIME = "/api/v2/public/time"
POSITIONS = "/api/v2/mix/position/all-position"
ACCOUNTS = "/api/v2/mix/account/accounts"
ACCOUNT = "/api/v2/mix/account/account"
BILLS = "/api/v2/mix/account/bill"
INFO = "/api/v2/spot/account/info"
CONTRACTS = "/api/v2/mix/market/contracts"
TIERS = "/api/v2/mix/market/query-position-lever"
ORDERS = "/api/v2/mix/order/orders-pending"
PLAN_ORDERS = "/api/v2/mix/order/orders-plan-pending"
SET_MARGIN = "/api/v2/mix/account/set-margin"
SET_MODE = "/api/v2/mix/account/set-margin-mode"
SET_AUTO = "/api/v2/mix/account/set-auto-margin"
ETH = Address("ETHUSDT", Side.LONG)
ETH_SHORT = Address("ETHUSDT", Side.SHORT)
ETH_NET = Address("ETHUSDT", Side.NET)


def data(payload: object, status: int = 200) -> HttpResponse:
    """A success."""
    return answer({"code": "00000", "msg": "success", "requestTime": SERVED_MS, "data": payload}, status)


def refusal(code: str, status: int = 400, message: str = "no") -> HttpResponse:
    """A refusal as it is usually sent."""
    return answer({"code": code, "msg": message, "requestTime": SERVED_MS, "data": None}, status)


def position_row(**fields: Any) -> dict[str, Any]:
    """A long isolated position of half an ETH in hedge mode."""
    return {
        "symbol": "ETHUSDT",
        "marginCoin": "USDT",
        "holdSide": "long",
        "marginMode": "isolated",
        "posMode": "hedge_mode",
        "marginSize": "101.2500000000000001",
        "total": "0.5",
        "leverage": "20",
        "openPriceAvg": "4000",
        "markPrice": "4010",
        "unrealizedPL": "5",
        "liquidationPrice": "3818.886",
        "keepMarginRate": "0.005",
        "autoMargin": "off",
        "assetMode": "single",
        "cTime": "1767000000000",
    } | fields


def account_row(**fields: Any) -> dict[str, Any]:
    """What ``account/account`` says of a flat isolated symbol."""
    return {
        "marginCoin": "USDT",
        "available": "900.5",
        "isolatedMaxAvailable": "800.25",
        "isolatedLongLever": 20,
        "marginMode": "isolated",
        "posMode": "hedge_mode",
        "assetMode": "single",
    } | fields


def balance_row(**fields: Any) -> dict[str, Any]:
    """One row of ``accounts``."""
    return {"marginCoin": "USDT", "available": "900.5", "isolatedMaxAvailable": "800.25"} | fields


def contract_row(symbol: str = "ETHUSDT", **fields: Any) -> dict[str, Any]:
    """A linear contract."""
    return {
        "symbol": symbol,
        "baseCoin": symbol.removesuffix("USDT"),
        "quoteCoin": "USDT",
        "supportMarginCoins": ["USDT"],
        "takerFeeRate": "0.0006",
        "symbolStatus": "normal",
    } | fields


def tier_rows() -> list[dict[str, Any]]:
    """Three tiers."""
    bounds = [("0", "1000", "0.004"), ("1000", "5000", "0.005"), ("5000", "90000", "0.01")]
    return [
        {"symbol": "ETHUSDT", "level": str(level), "startUnit": start, "endUnit": end, "keepMarginRate": rate}
        for level, (start, end, rate) in enumerate(bounds, 1)
    ]


def bill_row(bill_id: int, **fields: Any) -> dict[str, Any]:
    """A manual addition of 12.5."""
    return {
        "billId": str(bill_id),
        "symbol": "ETHUSDT",
        "amount": "12.5",
        "fee": "0",
        "businessType": "append_margin",
        "coin": "USDT",
        "cTime": str(SERVED_MS),
    } | fields


class Desk(AdapterDesk[Bitget]):
    """The wire, its answers and the adapter on it."""

    def __init__(
        self, answers: Mapping[str, Any] | None = None, *, demo: bool = False, product: str | None = None
    ) -> None:
        told = {
            TIME: lambda _: data({"serverTime": str(self.served_ms())}),
            POSITIONS: data([position_row()]),
            ACCOUNTS: data([balance_row()]),
            ACCOUNT: data(account_row()),
            CONTRACTS: data([contract_row(), contract_row("BTCUSDT")]),
            TIERS: data(tier_rows()),
            INFO: data({"userId": "7"}),
            BILLS: data({"bills": [], "endId": None}),
            ORDERS: data({"entrustedList": None, "endId": None}),
            PLAN_ORDERS: data({"entrustedList": None, "endId": None}),
            SET_MARGIN: data(""),
            SET_MODE: data({"symbol": "ETHUSDT", "marginCoin": "USDT", "marginMode": "isolated"}),
        } | dict(answers or {})
        url = "https://api.bitget.com"
        super().__init__(Bitget, "bitget", url=url, time_path=TIME, answers=told, demo=demo, product=product)


def held(address: Address = ETH, size: str = "0.5") -> Position:
    """An open isolated position."""
    return isolated(address, size, "100")


def move(address: Address = ETH, *, add: bool = True) -> MoveMargin:
    """A step that moves 12.5."""
    return margin_step(address, "12.5", before="100", add=add)


def retype(after: MarginType = MarginType.ISOLATED) -> SetMarginType:
    """A step that changes the symbol's type."""
    before = MarginType.CROSSED if after is MarginType.ISOLATED else MarginType.ISOLATED
    return SetMarginType(step_id="s", address=ETH, before=before, after=after)
