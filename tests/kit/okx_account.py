"""A minimal OKX account behind the fake wire: hand-written rows, answered by path."""

from collections.abc import Mapping
from typing import Any

from reconcile.exchanges.http.wire import HttpResponse
from reconcile.exchanges.okx.adapter import Okx
from reconcile.model.account import Address, Position, Side
from reconcile.model.plan import MoveMargin
from tests.kit.adapter_desk import AdapterDesk, isolated, margin_step
from tests.kit.fakes import SERVED_MS, answer

TIME = "/api/v5/public/time"
POSITIONS = "/api/v5/account/positions"
BALANCE = "/api/v5/account/balance"
CONFIG = "/api/v5/account/config"
INSTRUMENTS = "/api/v5/public/instruments"
TIERS = "/api/v5/public/position-tiers"
BILLS = "/api/v5/account/bills"
ARCHIVE = "/api/v5/account/bills-archive"
MOVE = "/api/v5/account/position/margin-balance"
ETH = Address("ETH-USDT-SWAP", Side.LONG)
ETH_NET = Address("ETH-USDT-SWAP", Side.NET)


def data(*rows: Mapping[str, Any], status: int = 200) -> HttpResponse:
    """A success."""
    return answer({"code": "0", "msg": "", "data": list(rows)}, status)


def refusal(code: str, status: int = 200, message: str = "no") -> HttpResponse:
    """A refusal with empty data."""
    return answer({"code": code, "msg": message, "data": []}, status)


def position_row(**fields: Any) -> dict[str, Any]:
    """A long isolated position of 3 contracts of 0.1 ETH."""
    return {
        "instType": "SWAP",
        "instId": "ETH-USDT-SWAP",
        "mgnMode": "isolated",
        "posId": "9001",
        "posSide": "long",
        "pos": "3",
        "ccy": "USDT",
        "margin": "341.7333333333333248",
        "imr": "",
        "lever": "3",
        "avgPx": "3417.3",
        "markPx": "3420",
        "upl": "0.81",
        "liqPx": "",
        "cTime": "1767000000000",
    } | fields


def cross_row(**fields: Any) -> dict[str, Any]:
    """The same held in cross mode."""
    return position_row(mgnMode="cross", margin="", imr="341.7", posId="9002", **fields)


def config_row(**fields: Any) -> dict[str, Any]:
    """A futures-mode account that may trade, in long/short mode."""
    return (
        {"acctLv": "2", "posMode": "long_short_mode", "uid": "44", "perm": "read_only,trade"}
        | {"ctIsoMode": "automatic"}
        | fields
    )


def swap_row(symbol: str = "ETH-USDT-SWAP", **fields: Any) -> dict[str, Any]:
    """A linear swap of 0.1 coins to the contract."""
    return {
        "instId": symbol,
        "instType": "SWAP",
        "instFamily": symbol.removesuffix("-SWAP"),
        "ctType": "linear",
        "settleCcy": "USDT",
        "ctVal": "0.1",
        "ctMult": "1",
        "tickSz": "0.01",
        "state": "live",
    } | fields


def inverse_row() -> dict[str, Any]:
    """BTC-USD-SWAP: 100 dollars to the contract, margin in BTC."""
    return swap_row("BTC-USD-SWAP", ctType="inverse", settleCcy="BTC", ctVal="100", tickSz="0.1")


def tier_row(family: str = "ETH-USDT", **fields: Any) -> dict[str, Any]:
    """The first tier."""
    return {
        "instFamily": family,
        "tier": "1",
        "minSz": "0",
        "maxSz": "1000",
        "mmr": "0.004",
        "maxLever": "100",
    } | fields


def bill_row(bill_id: int, **fields: Any) -> dict[str, Any]:
    """A manual increase by 25."""
    return {
        "billId": str(bill_id),
        "ts": str(SERVED_MS),
        "type": "6",
        "subType": "160",
        "instType": "SWAP",
        "instId": "ETH-USDT-SWAP",
        "mgnMode": "isolated",
        "ccy": "USDT",
        "sz": "25",
        "balChg": "-25",
        "posBalChg": "25",
    } | fields


class Desk(AdapterDesk[Okx]):
    """The wire, its answers and the adapter on it."""

    def __init__(self, answers: Mapping[str, Any] | None = None, *, demo: bool = False) -> None:
        told = {
            TIME: lambda _: data({"ts": str(self.served_ms())}),
            POSITIONS: data(position_row()),
            BALANCE: data({"details": [{"ccy": "USDT", "availBal": "900.5"}, {"ccy": "BTC", "availBal": ""}]}),
            CONFIG: data(config_row()),
            INSTRUMENTS: data(swap_row(), inverse_row()),
            TIERS: data(tier_row()),
            BILLS: data(),
            ARCHIVE: data(),
            MOVE: data({"instId": "ETH-USDT-SWAP", "posSide": "long", "type": "add", "amt": "25", "leverage": ""}),
        } | dict(answers or {})
        url = "https://openapi.okx.com"
        super().__init__(Okx, "okx", url=url, time_path=TIME, answers=told, demo=demo)


def held(address: Address = ETH, size: str = "3") -> Position:
    """An open isolated position."""
    return isolated(address, size, "300")


def move(address: Address = ETH, *, add: bool = True) -> MoveMargin:
    """A step that moves 25."""
    return margin_step(address, "25", before="300", add=add)
