"""The gate of the simulated OKX: headers, key, passphrase, signature, time, demo, limits, body.

The order is that of the exchange's documented codes from the outside in; only the codes themselves are documented.
Refused credentials answer HTTP 401 without ``data``. Each endpoint has its own bucket, by user or by address.
"""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reconcile.sandbox.gate import ErrorAnswer, GateCall, MovingWindow, json_params, signature
from reconcile.sandbox.http import Answer, Request, SandboxAccount, answer

VALIDITY_MS = 30_000
"""The greatest distance of a request's timestamp from the exchange's clock."""


class OkxRefusal(ErrorAnswer):
    """An error answer: HTTP status, code, message, and whether it has a ``data``."""

    def __init__(self, status: int, code: str, message: str, *, bare: bool = False) -> None:
        super().__init__(code, message, status=status)
        self.bare = bare

    def answer(self) -> Answer:
        """As OKX writes it."""
        if self.bare:
            return answer(self.status or 200, {"msg": self.message, "code": self.code})
        return answer(self.status or 200, {"code": self.code, "msg": self.message, "data": []})


def missing(name: str) -> OkxRefusal:
    """50014, for a parameter that is not there."""
    return OkxRefusal(400, "50014", f"Parameter {name} can not be empty.")


def invalid(name: str) -> OkxRefusal:
    """51000, for a value that is none of those allowed."""
    return OkxRefusal(400, "51000", f"Parameter {name} error")


@dataclass(frozen=True, slots=True, kw_only=True)
class OkxSwitches:
    """Switches for facts that no source settles, and for rehearsals.

    ``key_kind`` is ``live``, ``demo`` or ``any`` (the header ``x-simulated-trading`` is not looked at).
    ``account_level`` is ``acctLv``; at 3 and 4 ``isolated_ended`` answers 50072. Amounts with more decimals than
    ``stable_decimals`` or ``coin_decimals`` are refused, or cut with ``cut_amounts``. ``minimum`` is the smallest
    amount. ``close_orders`` names what counts as a pending close order: ``algo``, ``open`` or ``none``.
    ``free_balance_empty`` is ``none``, ``availBal`` or ``both``: which fields of the free balance are empty.
    ``withdraws`` gives keys the permission to withdraw.
    ``leverage_sub_type`` is the bill of what lowering the leverage pulls in. ``throttle_status`` 0 alternates
    between 200 and 429. ``bill_delay_ms`` holds back rows of the ledger; ``limited`` off never throttles.
    """

    key_kind: str = "any"
    unknown_key_code: str = "50111"
    account_level: int = 2
    withdraws: bool = False
    isolated_ended: bool = False
    stable_decimals: int = 6
    coin_decimals: int = 8
    cut_amounts: bool = False
    minimum: str = "0"
    over_add_code: str = "59303"
    close_orders: str = "algo"
    close_orders_block_add: bool = True
    net_in_hedge: bool = False
    side_defaults_to_net: bool = False
    leverage_told: bool = False
    update_time_moves: bool = True
    new_position_ids: bool = False
    zero_rows: bool = True
    reduce_bills_positive: bool = False
    leverage_sub_type: str = "162"
    free_balance_empty: str = "none"
    page_before_newest: bool = True
    archive_has_recent: bool = True
    bill_delay_ms: int = 0
    adjust_tells_removable: bool = True
    limited: bool = True
    throttle_status: int = 0


class OkxCall(GateCall[OkxSwitches]):
    """A request that passed the gate of OKX."""

    __slots__ = ()

    missing = staticmethod(missing)
    invalid = staticmethod(invalid)

    def listed(self, name: str) -> list[str] | None:
        """A comma-separated list, or None."""
        value = self.text(name)
        return None if value is None else value.split(",")


class OkxLimits:
    """The limits of each endpoint in a moving window; refused calls do not count."""

    def __init__(self, switches: OkxSwitches) -> None:
        self._switches = switches
        self._window = MovingWindow()
        self._refused = 0

    def charge(self, who: str, path: str, rate: tuple[int, int], now_ms: int) -> None:
        """Count a call of ``who``; 50011 when there were ``rate[0]`` within ``rate[1]`` milliseconds."""
        if not self._switches.limited:
            return
        if self._window.left(who, path, most=rate[0], within_ms=rate[1], now_ms=now_ms) is not None:
            return
        self._refused += 1
        status = self._switches.throttle_status or (200 if self._refused % 2 else 429)
        raise OkxRefusal(status, "50011", "Too Many Requests", bare=status == 429)


_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_HEADERS = (
    ("ok-access-key", "50103", "OK-ACCESS-KEY"),
    ("ok-access-passphrase", "50104", "OK-ACCESS-PASSPHRASE"),
    ("ok-access-sign", "50106", "OK-ACCESS-SIGN"),
    ("ok-access-timestamp", "50107", "OK-ACCESS-TIMESTAMP"),
)


def authenticate(
    request: Request, accounts: Mapping[str, SandboxAccount], now_ms: int, switches: OkxSwitches
) -> SandboxAccount:
    """The account whose key signed the request within the last 30 s; otherwise one of the codes 50101 to 50120."""
    headers = request.headers
    for name, code, shown in _HEADERS:
        if not headers.get(name):
            raise OkxRefusal(401, code, f'Request header "{shown}" cannot be empty.', bare=True)
    account = accounts.get(headers["ok-access-key"])
    if account is None:
        raise OkxRefusal(401, switches.unknown_key_code, "Invalid OK-ACCESS-KEY", bare=True)
    if not hmac.compare_digest(headers["ok-access-passphrase"].encode(), account.passphrase.encode()):
        raise OkxRefusal(401, "50105", "Request header OK-ACCESS-PASSPHRASE incorrect.", bare=True)
    if not hmac.compare_digest(
        signature(account.secret, headers["ok-access-timestamp"], request), headers["ok-access-sign"]
    ):
        raise OkxRefusal(401, "50113", "Invalid Sign", bare=True)
    _check_time(headers["ok-access-timestamp"], request.judged_at(now_ms))
    demo = headers.get("x-simulated-trading") == "1"
    if switches.key_kind != "any" and demo != (switches.key_kind == "demo"):
        raise OkxRefusal(401, "50101", "APIKey does not match current environment.", bare=True)
    if request.method != "GET" and not account.can_trade:
        raise OkxRefusal(401, "50120", "This API key doesn't have permission to use this function", bare=True)
    return account


def _check_time(stamp: str, now_ms: int) -> None:
    signed_ms = _milliseconds(stamp)
    if signed_ms is None:
        raise OkxRefusal(401, "50112", "Invalid OK-ACCESS-TIMESTAMP", bare=True)
    if abs(now_ms - signed_ms) > VALIDITY_MS:
        raise OkxRefusal(401, "50102", "Timestamp request expired", bare=True)


def _milliseconds(stamp: str) -> int | None:
    if not _STAMP.fullmatch(stamp):
        return None
    try:
        return round(datetime.fromisoformat(stamp).timestamp() * 1000)
    except ValueError:
        return None


def read_params(request: Request) -> dict[str, Any]:
    """The query of a GET, the JSON object of a POST; numbers in JSON stay exact."""
    if request.method == "GET":
        return json_params(request, OkxRefusal(400, "50002", "JSON syntax error"))
    kind = request.headers.get("content-type", "application/json")
    if not kind.lower().startswith("application/json"):
        raise OkxRefusal(400, "50006", "Invalid Content-Type, please use the 'application/json' format.")
    if not request.body.strip():
        raise OkxRefusal(400, "50000", "Body can not be empty.")
    return json_params(request, OkxRefusal(400, "50002", "JSON syntax error"))
