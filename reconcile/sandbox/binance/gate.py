"""The gate of the simulated Binance: weights and bans, key, signature, time, parameters.

The order of the checks is inferred, not documented: ban and limit, key, signature, time, parameters. The HMAC-SHA256 is
made over the query string and the body exactly as sent, without the signature itself.
"""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import parse_qsl

from reconcile.sandbox.gate import ErrorAnswer, GateCall
from reconcile.sandbox.http import Answer, Request, SandboxAccount, answer

MINUTE_MS = 60_000
DEFAULT_RECV_WINDOW_MS = 5_000
AHEAD_MS = 1_000
"""A timestamp may be less than this far ahead of the exchange's clock."""


class BinanceRefusal(ErrorAnswer):
    """An error answer: HTTP status, code and message. ``as_page`` is how the mainnet says that it has no such path."""

    def __init__(self, status: int, code: int, message: str, *, as_page: bool = False) -> None:
        super().__init__(code, message, status=status)
        self._as_page = as_page

    def answer(self) -> Answer:
        """As Binance writes it."""
        if self._as_page:
            page = b"<html><head><title>404 Not Found</title></head><body><h1>404 Not Found</h1></body></html>"
            return Answer(status=404, headers={"content-type": "text/html"}, body=page)
        return answer(self.status or 400, {"code": self.code, "msg": self.message})


def missing(name: str) -> BinanceRefusal:
    """-1102, for a parameter that is not there or cannot be read."""
    return BinanceRefusal(400, -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def invalid(name: str) -> BinanceRefusal:
    """-1130, for a value that is none of those allowed."""
    return BinanceRefusal(400, -1130, f"Data sent for parameter '{name}' is not valid.")


@dataclass(frozen=True, slots=True, kw_only=True)
class BinanceSwitches:
    """Switches for facts that no source settles, and for rehearsals.

    ``v2_retired`` answers the v2 endpoints with -5000 and HTTP ``retired_status``; ``v3_missing`` does so for positions
    of version 3. With ``gone_as_page`` the answer is an HTML page and 404 instead, as on the mainnet.
    ``history_*_rows`` name the deltaType under which such movements show in the margin history, None where they do not
    show. ``history_page_newest`` makes a history page of a window keep its newest rows where ``limit`` cuts it, else
    its oldest. ``ban_after`` is how many refused requests in a minute end in a ban of ``ban_ms``. ``weight_limit`` None
    never throttles.
    """

    v2_retired: bool = False
    retired_status: int = 404
    v3_missing: bool = False
    gone_as_page: bool = False
    v2_weight: int = 5
    algo_orders_block_type: bool = True
    position_side_quirk: bool = False
    both_rows_in_hedge: bool = False
    twin_rows_in_v3: bool = False
    rows_reversed: bool = False
    amount_decimals: int = 8
    update_time_moves: bool = True
    wrong_side_code: int = -4061
    negative_reductions: bool = False
    history_descending: bool = False
    history_page_newest: bool = False
    history_max_limit: int = 500
    history_fill_rows: str | None = "TRADE"
    history_auto_rows: str | None = None
    history_funding_rows: str | None = None
    bare_bracket: bool = False
    auto_add_as_text: bool = False
    max_recv_window_ms: int = 60_000
    weight_limit: int | None = 2400
    weight_header_lost: bool = False
    retry_after: bool = True
    ban_after: int = 10
    ban_ms: int = 120_000


class BinanceCall(GateCall[BinanceSwitches]):
    """A request that passed the gate of Binance; its parameters are text, and an empty one is refused."""

    __slots__ = ()

    missing = staticmethod(missing)
    invalid = staticmethod(missing)
    """-1102, for a number that is none as well."""

    def text(self, name: str) -> str | None:
        """A parameter, or None; an empty one is refused."""
        value = self.params.get(name)
        if value is not None and (not value or value != value.strip()):
            raise BinanceRefusal(400, -1105, f"Parameter '{name}' was empty.")
        return value

    def symbol(self) -> str | None:
        """The symbol asked for, if any; refused when it is not listed."""
        value = self.text("symbol")
        if value is not None and value not in self.books.markets:
            raise BinanceRefusal(400, -1121, "Invalid symbol.")
        return value

    def need(self, name: str) -> str:
        """A mandatory parameter."""
        value: str | None = self.params.get(name)
        if not value or value != value.strip():
            raise missing(name)
        return value


class BinanceLimits:
    """Request weights of one IP, per minute of the exchange's clock, and the ban of those who carry on."""

    def __init__(self, switches: BinanceSwitches) -> None:
        self._switches = switches
        self._minute = -1
        self._refused = 0
        self.used = 0
        self.banned_until_ms = 0

    def charge(self, weight: int, now_ms: int) -> tuple[BinanceRefusal, Mapping[str, str]] | None:
        """Count a request; what to answer instead, with its headers, when it is too many."""
        switches = self._switches
        if now_ms < self.banned_until_ms:
            return self._ban(now_ms)
        if now_ms // MINUTE_MS != self._minute:
            self._minute, self.used, self._refused = now_ms // MINUTE_MS, 0, 0
        self.used += weight
        if switches.weight_limit is None or self.used <= switches.weight_limit:
            return None
        self._refused += 1
        if self._refused > switches.ban_after:
            self.banned_until_ms = now_ms + switches.ban_ms
            return self._ban(now_ms)
        left_ms = (self._minute + 1) * MINUTE_MS - now_ms
        text = f"Too many requests; current limit is {switches.weight_limit} request weight per 1 MINUTE."
        return BinanceRefusal(429, -1003, text), self._retry(left_ms)

    def headers(self) -> dict[str, str]:
        """The headers of every reply that tell the weight used."""
        return {"x-mbx-used-weight-1m": "-1" if self._switches.weight_header_lost else str(self.used)}

    def _ban(self, now_ms: int) -> tuple[BinanceRefusal, Mapping[str, str]]:
        text = f"Way too many requests; IP(127.0.0.1) banned until {self.banned_until_ms}."
        return BinanceRefusal(418, -1003, text), self._retry(self.banned_until_ms - now_ms)

    def _retry(self, left_ms: int) -> Mapping[str, str]:
        return {"retry-after": str(-(-left_ms // 1000))} if self._switches.retry_after else {}


def read_params(request: Request) -> dict[str, str]:
    """The parameters of query and form body; on duplicates between them the query wins, within one they are refused."""
    merged: dict[str, str] = {}
    for part in (request.body.decode("ascii", errors="replace"), request.query):
        seen: dict[str, str] = {}
        try:
            pairs = parse_qsl(part, keep_blank_values=True, errors="strict", max_num_fields=100)
        except ValueError:
            raise BinanceRefusal(400, -1100, "Illegal characters found in a parameter.") from None
        for name, value in pairs:
            if name in seen:
                raise BinanceRefusal(400, -1101, f"Duplicate values for parameter '{name}'.")
            seen[name] = value
        merged.update(seen)
    return merged


def authenticate(request: Request, accounts: Mapping[str, SandboxAccount]) -> SandboxAccount:
    """The account of the key in the request's header; -2014 or -2015."""
    key = request.headers.get("x-mbx-apikey", "")
    if not key:
        raise BinanceRefusal(401, -2014, "API-key format invalid.")
    account = accounts.get(key)
    if account is None or (request.method != "GET" and not account.can_trade):
        raise BinanceRefusal(401, -2015, "Invalid API-key, IP, or permissions for action, request ip: 127.0.0.1")
    return account


_SIGNATURE = re.compile(r"(?:^|&)signature=([^&]*)")


def check_signature(request: Request, secret: str) -> None:
    """-1102 without a signature, -1022 when it is not the HMAC of what was sent."""
    query, body = request.query, request.body.decode("ascii", errors="replace")
    found = _SIGNATURE.search(query) or _SIGNATURE.search(body)
    if found is None or not found[1]:
        raise missing("signature")
    payload = _SIGNATURE.sub("", query) + _SIGNATURE.sub("", body)
    expected = hmac.digest(secret.encode(), payload.encode(), "sha256").hex()
    if not hmac.compare_digest(expected, found[1].lower()):
        raise BinanceRefusal(400, -1022, "Signature for this request is not valid.")


def check_time(params: Mapping[str, str], now_ms: int, switches: BinanceSwitches) -> None:
    """Accepted when ``timestamp < now + 1000`` and ``now - timestamp <= recvWindow``; else -1021."""
    stamp, window = params.get("timestamp", ""), params.get("recvWindow", str(DEFAULT_RECV_WINDOW_MS))
    if not re.fullmatch(r"\d{1,16}", stamp):
        raise missing("timestamp")
    if not re.fullmatch(r"\d{1,9}", window) or int(window) > switches.max_recv_window_ms:
        raise invalid("recvWindow")
    if int(stamp) >= now_ms + AHEAD_MS:
        raise BinanceRefusal(400, -1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    if now_ms - int(stamp) > int(window):
        raise BinanceRefusal(400, -1021, "Timestamp for this request is outside of the recvWindow.")


def amount_of(call: BinanceCall) -> Decimal:
    """The amount to move: plain digits (-1100), not too precise (-1111), more than zero (-4055)."""
    text = call.need("amount")
    if not re.fullmatch(r"[+-]?\d{1,20}(\.\d{1,20})?", text):
        raise BinanceRefusal(
            400,
            -1100,
            r"Illegal characters found in parameter 'amount'; legal range is '^([0-9]{1,20})(\.[0-9]{1,20})?$'.",
        )
    if len(text.partition(".")[2].rstrip("0")) > call.switches.amount_decimals:
        raise BinanceRefusal(400, -1111, "Precision is over the maximum defined for this asset.")
    amount = Decimal(text)
    if amount <= 0:
        raise BinanceRefusal(400, -4055, "Amount must be positive.")
    return amount
