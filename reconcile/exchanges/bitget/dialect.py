"""Requests to Bitget: paths, limits, envelope, signatures.

Sources: Bitget API doc (common, signature, the pages of the calls) and its error-code list. Refusals come with HTTP 400
and with 200 alike, so the body's code counts. A code of the gateway or of an older API is a number or missing. Such a
body is not as documented, and a write that gets one is in doubt.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from urllib.parse import urlencode

from reconcile.exchanges.bitget import signing
from reconcile.exchanges.bitget.codes import (
    CODES,
    REJECTED_PARAMETERS,
    TWO_FACED,
    names_a_parameter,
    parameter_face,
)
from reconcile.exchanges.http.answers import (
    Envelope,
    ResponseFormat,
    of_other_calls,
    retry_after_header_ms,
    table,
)
from reconcile.exchanges.http.header_signed import HeaderSigned
from reconcile.exchanges.http.limits import Charge, CountedBy, Limit
from reconcile.exchanges.http.rows import Row
from reconcile.exchanges.http.transport import Charges, Params

TIME = "/api/v2/public/time"
POSITIONS = "/api/v2/mix/position/all-position"
ACCOUNTS = "/api/v2/mix/account/accounts"
ACCOUNT = "/api/v2/mix/account/account"
INFO = "/api/v2/spot/account/info"
BILLS = "/api/v2/mix/account/bill"
CONTRACTS = "/api/v2/mix/market/contracts"
TIERS = "/api/v2/mix/market/query-position-lever"
ORDERS = "/api/v2/mix/order/orders-pending"
PLAN_ORDERS = "/api/v2/mix/order/orders-plan-pending"
SET_MARGIN = "/api/v2/mix/account/set-margin"
SET_MARGIN_MODE = "/api/v2/mix/account/set-margin-mode"
SET_AUTO_MARGIN = "/api/v2/mix/account/set-auto-margin"

_OVERALL = Charge(limit=Limit(name="Bitget requests", counted_by=CountedBy.IP, capacity=6_000, window_ms=60_000))


def _limit(name: str, by: CountedBy, capacity: int, reserve: int = 0) -> Charges:
    limit = Limit(name=f"Bitget {name}", counted_by=by, capacity=capacity, window_ms=1_000, reserve=reserve)
    return (Charge(limit=limit), _OVERALL)


CHARGES: Mapping[str, Charges] = MappingProxyType(
    {
        TIME: _limit(TIME, CountedBy.IP, 20, reserve=2),
        POSITIONS: _limit(POSITIONS, CountedBy.UID, 5, reserve=2),
        ACCOUNTS: _limit(ACCOUNTS, CountedBy.UID, 10, reserve=2),
        ACCOUNT: _limit(ACCOUNT, CountedBy.UID, 10),
        INFO: _limit(INFO, CountedBy.UID, 1),
        BILLS: _limit(BILLS, CountedBy.UID, 10, reserve=5),
        CONTRACTS: _limit(CONTRACTS, CountedBy.IP, 20),
        TIERS: _limit(TIERS, CountedBy.IP, 10),
        ORDERS: _limit(ORDERS, CountedBy.UID, 10),
        PLAN_ORDERS: _limit(PLAN_ORDERS, CountedBy.UID, 10),
    }
)
"""The cost of one read by path. No document has a limit for plan orders, so that of orders is taken."""
WRITE_CHARGES = _limit("margin writes", CountedBy.UID, 5)
"""The cost of one write: each of the three has 5 per second, and they share one budget here."""


def envelope(_status: int, value: object) -> Envelope | None:
    """``{"code", "msg", "data"}``; the code is a text, and ``00000`` is success."""
    if not isinstance(value, dict):
        return None
    code, message = value.get("code"), value.get("msg")
    if not isinstance(code, str) or not code:
        return None
    text = message if isinstance(message, str) else ""
    if code == "00000":
        return Envelope(success=True, code=code, message=text, payload=value["data"]) if "data" in value else None
    return Envelope(success=False, code=_face(code, text), message=text)


def _face(code: str, message: str) -> str:
    return parameter_face(code) if code in TWO_FACED and names_a_parameter(message) else code


def _writing(fits: Callable[[object], bool]) -> ResponseFormat:
    def read(status: int, value: object) -> Envelope | None:
        said = envelope(status, value)
        return None if said is not None and said.success and not fits(said.payload) else said

    return replace(READING, envelope=read)


READING = ResponseFormat(
    title="Bitget",
    envelope=envelope,
    codes={**table(CODES, None), **REJECTED_PARAMETERS},
    others=of_other_calls(CODES, {None}),
    retry_after_ms=lambda headers, _message, _now_ms: retry_after_header_ms(headers),
)
WRITING: Mapping[str, ResponseFormat] = MappingProxyType(
    {
        SET_MARGIN: _writing(lambda data: data is None or isinstance(data, str)),
        SET_MARGIN_MODE: _writing(lambda data: isinstance(data, dict)),
        SET_AUTO_MARGIN: _writing(lambda data: data is None or isinstance(data, str)),
    }
)
"""The form of the answers to our writes: a success of a margin call has an empty text as its data. Of auto
margin the documents print the code alone, and public clients know the text ``success``."""


def _query(params: Params) -> str:
    """In order of the keys, as Bitget signs it."""
    return urlencode(sorted(params.items()))


class BitgetDialect(HeaderSigned):
    """The facts that the transport needs about Bitget."""

    time_path = TIME
    time_charges = CHARGES[TIME]
    sign = staticmethod(signing.headers)
    demo_headers = signing.DEMO
    reading = READING
    query = staticmethod(_query)

    def served_ms(self, payload: object) -> int:
        """The time in the answer of ``time_path``."""
        return Row(f"reading {TIME}", payload).time("serverTime")
