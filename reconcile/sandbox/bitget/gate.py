"""The gate of the simulated Bitget: generation, time, signature, limits, parameters.

Only that 40085 comes before the signature is confirmed; the rest of the order is assumed. Errors answer HTTP 400 with
the usual envelope. Limits are by user and endpoint for private calls, by address for public ones and over all.
"""

import hmac
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from reconcile.sandbox.bitget.rules import PRODUCTS, BitgetRules
from reconcile.sandbox.gate import ErrorAnswer, GateCall, MovingWindow, json_params, signature
from reconcile.sandbox.http import Request, SandboxAccount
from reconcile.sandbox.values import Market

VALIDITY_MS = 30_000
"""The greatest distance of a request's timestamp from the exchange's clock."""
MINUTE_MS = 60_000
RULES = BitgetRules()


class BitgetRefusal(ErrorAnswer):
    """An error answer: code and message; ``status`` None is the usual one of a business error."""

    def __init__(self, code: str, message: str, *, status: int | None = None) -> None:
        super().__init__(code, message, status=status)


def missing(name: str) -> BitgetRefusal:
    """40019, for a parameter that is not there."""
    return BitgetRefusal("40019", f"Parameter {name} cannot be empty")


def invalid(name: str) -> BitgetRefusal:
    """40020, for a value that is none of those allowed."""
    return BitgetRefusal("40020", f"Parameter {name} error")


@dataclass(frozen=True, slots=True, kw_only=True)
class BitgetSwitches:
    """Switches for facts that no source settles, and for rehearsals.

    ``unified`` makes it an account of the newer generation (40085). ``key_kind`` is ``live``, ``demo`` or ``any`` (the
    header ``paptrading`` is not looked at). ``error_status`` is the HTTP status of business errors. ``bill_amounts`` is
    ``signed`` (as the position gains), ``absolute`` or ``account`` (as the free balance gains). ``minimum`` is the
    smallest amount. ``coin_size_in_base`` shows sizes of coin-margined contracts in coins at the entry price, else in
    contracts. ``bill_delay_ms`` holds back rows of the ledger; ``limited`` off never throttles.
    ``auto_margin_data`` is the data of that call's success, which the documents leave out. ``auto_margin_product``
    refuses the call without a product type (40019), which they do not print either.
    ``spot_read`` off is a key that may not ask whose it is.
    """

    unified: bool = False
    key_kind: str = "any"
    mismatch_code: str = "40099"
    error_status: int = 400
    any_case: bool = True
    zero_rows: bool = False
    null_when_empty: bool = False
    hold_side_required: bool = True
    one_way_side_checked: bool = False
    no_position_code: str = "22002"
    crossed_code: str = "40875"
    funds_code: str = "40798"
    removable_code: str = "40801"
    stable_decimals: int = 4
    coin_decimals: int = 8
    minimum: str = "0"
    same_mode_when_open: bool = False
    auto_margin_data: str = ""
    auto_margin_product: bool = False
    plan_orders_block_mode: bool = True
    plan_orders_code: str = "40872"
    bill_amounts: str = "signed"
    bill_coin_error: bool = False
    bill_delay_ms: int = 0
    update_time_moves: bool = True
    coin_size_in_base: bool = False
    leverages_as_text: bool = False
    request_time_as_text: bool = False
    rate_header: bool = True
    limited: bool = True
    spot_read: bool = True
    shut_out_ms: int = 300_000


class BitgetCall(GateCall[BitgetSwitches]):
    """A request that passed the gate of Bitget."""

    __slots__ = ()

    missing = staticmethod(missing)
    invalid = staticmethod(invalid)

    def product(self) -> str:
        """The product type, written either way."""
        given = self.need("productType").upper()
        if given not in PRODUCTS:
            raise invalid("productType")
        return given

    def market(self, *, product: str | None = None) -> Market:
        """The contract that is named; 40034 when it is not listed under the product."""
        given = self.need("symbol")
        market = self.view.markets.get(given.upper() if self.switches.any_case else given)
        if market is None or (product is not None and RULES.scope(market) != product):
            raise BitgetRefusal("40034", f"Parameter {given} does not exist")
        return market

    def margin_coin(self, market: Market, *, required: bool = True) -> None:
        """Check the margin coin against the contract's."""
        given = self.need("marginCoin") if required else self.text("marginCoin")
        if given is not None and (given.upper() if self.switches.any_case else given) != market.asset:
            raise BitgetRefusal("40778", f"Margin coin {given} is not supported")

    def mode_of(self, product: str) -> str:
        """The position mode of a product."""
        return self.view.modes.get(product, self.view.position_mode)

    def listed(self, product: str) -> list[Market]:
        """The contracts of a product."""
        return [market for market in self.view.markets.values() if RULES.scope(market) == product]


class BitgetLimits:
    """The limits of each endpoint in a moving second, and of all calls from one address in a minute."""

    def __init__(self, switches: BitgetSwitches) -> None:
        self._switches = switches
        self._window = MovingWindow()
        self._all: deque[int] = deque()
        self._shut_until_ms = 0
        self.left = 0

    def charge_address(self, now_ms: int) -> None:
        """Count a request of the address; beyond 6000 in a minute it is shut out."""
        if not self._switches.limited:
            return
        while self._all and self._all[0] <= now_ms - MINUTE_MS:
            self._all.popleft()
        self._all.append(now_ms)
        if len(self._all) > 6_000 and now_ms >= self._shut_until_ms:
            self._shut_until_ms = now_ms + self._switches.shut_out_ms
        if now_ms < self._shut_until_ms:
            raise BitgetRefusal("429", "Too Many Requests", status=429)

    def charge(self, who: str, path: str, rate: int, now_ms: int) -> None:
        """Count a call of ``who``; HTTP 429 when there were ``rate`` in the last second."""
        if not self._switches.limited:
            return
        left = self._window.left(who, path, most=rate, within_ms=1_000, now_ms=now_ms)
        self.left = left or 0
        if left is None:
            raise BitgetRefusal("429", "Too Many Requests", status=429)


_HEADERS = (
    ("access-key", "40001", "ACCESS_KEY cannot be empty"),
    ("access-sign", "40002", "ACCESS_SIGN cannot be empty"),
    ("access-timestamp", "40003", "Signature cannot be empty"),
    ("access-passphrase", "40011", "ACCESS_PASSPHRASE cannot be empty"),
)


def authenticate(
    request: Request, accounts: Mapping[str, SandboxAccount], now_ms: int, switches: BitgetSwitches
) -> SandboxAccount:
    """The account whose key signed the request within the last 30 s; otherwise one of the documented codes."""
    headers = request.headers
    account = accounts.get(headers.get("access-key", ""))
    if account is not None and switches.unified:
        text = "You are in Unified Account mode, and the Classic Account API is not supported at this time"
        raise BitgetRefusal("40085", text)
    for name, code, text in _HEADERS:
        if not headers.get(name):
            raise BitgetRefusal(code, text)
    if account is None:
        raise BitgetRefusal("40037", "Apikey does not exist")
    stamp = headers["access-timestamp"]
    if not re.fullmatch(r"\d{1,16}", stamp):
        raise BitgetRefusal("40005", "Invalid ACCESS_TIMESTAMP")
    if abs(request.judged_at(now_ms) - int(stamp)) > VALIDITY_MS:
        raise BitgetRefusal("40008", "Request timestamp expired")
    if not hmac.compare_digest(headers["access-passphrase"].encode(), account.passphrase.encode()):
        raise BitgetRefusal("40012", "apikey/password is incorrect")
    if headers["access-sign"] not in signatures(request, account.secret):
        raise BitgetRefusal("40009", "sign signature error")
    demo = headers.get("paptrading") == "1"
    if switches.key_kind != "any" and demo != (switches.key_kind == "demo"):
        raise BitgetRefusal(switches.mismatch_code, "Apikey does not exist in this environment")
    if request.method != "GET" and not account.can_trade:
        raise BitgetRefusal("40014", "Incorrect permissions, need trade permissions")
    return account


def signatures(request: Request, secret: str) -> tuple[str, str]:
    """The signature over the query as sent, and over the query unescaped: both are accepted."""
    stamp = request.headers["access-timestamp"]
    return signature(secret, stamp, request), signature(secret, stamp, request, query=unquote_plus(request.query))


def read_params(request: Request) -> dict[str, Any]:
    """The query of a GET, the JSON object of a POST."""
    return json_params(request, BitgetRefusal("40017", "Parameter verification failed body"))
