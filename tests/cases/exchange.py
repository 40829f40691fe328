"""An exchange that answers as a case says, and as a healthy and empty account where the case says nothing.

A margin call that the case does not answer is done: the case's own rows move, so that later reads show it.
"""

import copy
import json
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from reconcile.exchanges.http.wire import HttpRequest, HttpResponse

NOW_MS = 1_790_000_400_000
"""The exchange's time when a case begins."""


class CaseExchange:
    """A wire to one case. ``elapsed_ms`` tells how much time has passed since the case began."""

    def __init__(
        self,
        exchange: str,
        answers: Mapping[str, Any],
        elapsed_ms: Callable[[], int],
        *,
        bill: Mapping[str, Any] | None = None,
    ) -> None:
        """``bill`` is how the ledger shows a margin call that is done and not answered; None: as it was sent."""
        self._exchange = exchange
        own = dict(answers)
        self._answers = copy.deepcopy({**own, **{key: told for key, told in EMPTY[exchange].items() if key not in own}})
        self._elapsed_ms = elapsed_ms
        self._bill = bill
        self.moved: list[tuple[str, Decimal]] = []
        """Every margin call that was done: symbol and signed amount."""

    def now_ms(self) -> int:
        """The exchange's time."""
        return NOW_MS + self._elapsed_ms()

    async def send(self, request: HttpRequest) -> HttpResponse:
        """See ``Wire.send``."""
        parts = urlsplit(request.url)
        asked = dict(parse_qsl(parts.query))
        told = self._told(f"{request.method} {parts.path}", asked)
        if request.method == "POST" and (told is None or self._bill is not None):
            done = self._move(asked or json.loads(request.body))
            told = told or done
        if "after" in asked and told is not None:
            told = {"status": 200, "body": {**told["body"], "data": []}}  # all rows are on the first page
        if told is None:
            raise AssertionError(f"no case answers {request.method} {parts.path}")
        return _response(told, self.now_ms())

    def margin(self, address: str) -> Decimal:
        """The isolated margin that the case's rows show for an address."""
        name = "isolatedWallet" if self._exchange == "binance" else "margin"
        (shown,) = {Decimal(row[name]) for row in self._rows() if self._is_at(row, *_split(address))}
        return shown

    def drift(self, address: str, change: Decimal) -> None:
        """Move the margin of an address as funding or another program does; no row of a ledger tells."""
        for row in self._rows():
            if self._is_at(row, *_split(address)):
                for name in ("isolatedWallet", "isolatedMargin", "margin"):
                    if name in row:
                        row[name] = str(Decimal(row[name]) + change)

    def _told(self, call: str, asked: Mapping[str, str]) -> Any:
        for key, told in self._answers.items():
            path, _, query = key.partition("?")
            if path == call and dict(parse_qsl(query)).items() <= asked.items():
                return told
        return None

    def _move(self, asked: Mapping[str, str]) -> Mapping[str, Any]:
        """Do a margin call, and answer as the exchange does."""
        if self._exchange == "binance":
            symbol, side, adds, amount = asked["symbol"], asked["positionSide"], asked["type"] == "1", asked["amount"]
            reply: Any = {"code": 200, "msg": "Successfully modify position margin.", "amount": 0.5, "type": 1}
        else:
            symbol, side, adds, amount = asked["instId"], asked["posSide"], asked["type"] == "add", asked["amt"]
            reply = {"code": "0", "msg": "", "data": [{**asked, "leverage": "", "ccy": ""}]}
        change = Decimal(amount) if adds else -Decimal(amount)
        self.drift(f"{symbol}.{SIDES.get(side, side)}", change)
        self.moved.append((symbol, change))
        self._record(symbol, side, change)
        return {"status": 200, "body": reply}

    def _record(self, symbol: str, side: str, change: Decimal) -> None:
        size, time = str(abs(change)), str(self.now_ms())
        if self._exchange == "binance":
            kind = {"symbol": symbol, "positionSide": side, "deltaType": "USER_ADJUST", "asset": "USDT"}
            row = {**kind, "type": 1 if change > 0 else 2, "amount": size, "time": self.now_ms()}
            self._answers["GET /fapi/v1/positionMargin/history"]["body"].append(row)
            return
        kind = {"instType": "SWAP", "instId": symbol, "mgnMode": "isolated", "type": "6"}
        row = {**kind, "billId": str(len(self.moved)), "ts": time, "subType": "160" if change > 0 else "161"}
        row |= {"ccy": "USDT", "sz": size, "balChg": str(-change), "posBalChg": str(change)}
        row |= {**(self._bill or {}), "ts": time}
        self._answers["GET /api/v5/account/bills"]["body"]["data"].insert(0, row)

    def _rows(self) -> Iterator[dict[str, Any]]:
        """The rows of positions, in each of the answers that hold them."""
        for path in POSITIONS[self._exchange]:
            body = self._answers[path]["body"]
            listed = body if isinstance(body, list) else body["data"] if isinstance(body, dict) else []
            yield from listed

    def _is_at(self, row: Mapping[str, Any], symbol: str, side: str) -> bool:
        found = row.get("instId", row.get("symbol")), row.get("posSide", SIDES.get(row.get("positionSide", ""), ""))
        return found == (symbol, side)


def _split(address: str) -> tuple[str, str]:
    symbol, _, side = address.rpartition(".")
    return symbol, side


SIDES = {"BOTH": "net", "LONG": "long", "SHORT": "short"}
POSITIONS = {
    "binance": ("GET /fapi/v2/positionRisk", "GET /fapi/v3/positionRisk"),
    "okx": ("GET /api/v5/account/positions",),
}


def _response(told: Mapping[str, Any], now_ms: int) -> HttpResponse:
    body = told["body"]
    text = body if isinstance(body, str) else json.dumps(body).replace('"@now"', f'"{now_ms}"')
    headers = {name.lower(): value for name, value in told.get("headers", {}).items()}
    return HttpResponse(status=told.get("status", 200), headers=headers, body=text.encode())


def _ok(body: object) -> Mapping[str, Any]:
    return {"status": 200, "body": body}


def _okx(*rows: object) -> Mapping[str, Any]:
    return _ok({"code": "0", "msg": "", "data": list(rows)})


_CONFIG = {"dualSidePosition": False, "multiAssetsMargin": False, "canTrade": True}
_USDT = {"accountAlias": "xY", "asset": "USDT", "availableBalance": "0"}
EMPTY: Mapping[str, Mapping[str, Any]] = {
    "binance": {
        "GET /fapi/v1/time": _ok({"serverTime": "@now"}),
        "GET /fapi/v1/accountConfig": _ok(_CONFIG),
        "GET /fapi/v3/balance": _ok([_USDT]),
        "GET /fapi/v1/leverageBracket": _ok([]),
        "GET /fapi/v1/exchangeInfo": _ok({"symbols": [], "assets": []}),
        "GET /fapi/v1/symbolConfig": _ok([]),
        "GET /fapi/v2/positionRisk": _ok([]),
        "GET /fapi/v3/positionRisk": _ok([]),
        "GET /fapi/v1/positionMargin/history": _ok([]),
        "GET /fapi/v1/income": _ok([]),
    },
    "okx": {
        "GET /api/v5/public/time": _okx({"ts": "@now"}),
        "GET /api/v5/account/config": _okx(
            {"uid": "1", "acctLv": "2", "posMode": "net_mode", "ctIsoMode": "automatic", "settleCcy": ""}
        ),
        "GET /api/v5/account/balance": _okx({"details": []}),
        "GET /api/v5/account/positions": _okx(),
        "GET /api/v5/account/bills": _okx(),
        "GET /api/v5/account/bills-archive": _okx(),
        "GET /api/v5/account/instruments": _okx(),
        "GET /api/v5/public/instruments": _okx(),
        "GET /api/v5/public/position-tiers": _okx(),
    },
}
