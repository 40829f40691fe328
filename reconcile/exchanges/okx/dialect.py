"""Requests to OKX: paths, limits, envelope, signatures.

Sources: OKX API guide v5 (Making Requests, Rate Limits, Error Code, Demo Trading Services). The body's code counts
and the HTTP status hardly does: refusals come with 200, 4xx and 5xx alike. A code may carry a sub-code
(``51008_1000``); order endpoints put the real code into the first row, and both are read. Each endpoint has a limit
of its own, per user where the call is private.
"""

from collections.abc import Mapping
from dataclasses import replace

from reconcile.errors import ReadFailed
from reconcile.exchanges.http.answers import (
    Envelope,
    ResponseFormat,
    amount_in,
    of_other_calls,
    retry_after_header_ms,
    table,
)
from reconcile.exchanges.http.header_signed import HeaderSigned
from reconcile.exchanges.http.limits import Charge, CountedBy, Limit
from reconcile.exchanges.http.rows import rows
from reconcile.exchanges.http.transport import Charges
from reconcile.exchanges.okx import signing
from reconcile.exchanges.okx.codes import CODES

TIME = "/api/v5/public/time"
CONFIG = "/api/v5/account/config"
BALANCE = "/api/v5/account/balance"
POSITIONS = "/api/v5/account/positions"
BILLS = "/api/v5/account/bills"
BILLS_ARCHIVE = "/api/v5/account/bills-archive"
INSTRUMENTS = "/api/v5/public/instruments"
TIERS = "/api/v5/public/position-tiers"
MOVE_MARGIN = "/api/v5/account/position/margin-balance"


def _limit(path: str, by: CountedBy, capacity: int, window_ms: int, reserve: int = 0) -> Charges:
    limit = Limit(name=f"OKX {path}", counted_by=by, capacity=capacity, window_ms=window_ms, reserve=reserve)
    return (Charge(limit=limit),)


CHARGES: Mapping[str, Charges] = {
    TIME: _limit(TIME, CountedBy.IP, 10, 2_000, reserve=2),
    CONFIG: _limit(CONFIG, CountedBy.UID, 5, 2_000),
    BALANCE: _limit(BALANCE, CountedBy.UID, 10, 2_000, reserve=2),
    POSITIONS: _limit(POSITIONS, CountedBy.UID, 10, 2_000, reserve=2),
    BILLS: _limit(BILLS, CountedBy.UID, 5, 1_000, reserve=2),
    BILLS_ARCHIVE: _limit(BILLS_ARCHIVE, CountedBy.UID, 5, 2_000, reserve=2),
    INSTRUMENTS: _limit(INSTRUMENTS, CountedBy.IP, 20, 2_000),
    TIERS: _limit(TIERS, CountedBy.IP, 10, 2_000),
    MOVE_MARGIN: _limit(MOVE_MARGIN, CountedBy.UID, 20, 2_000),
}
"""The cost of one request to a path."""


def envelope(_status: int, value: object) -> Envelope | None:
    """``{"code", "msg", "data"}``; refusals of the gateway have no ``data``."""
    if not isinstance(value, dict):
        return None
    code, message, data = value.get("code"), value.get("msg"), value.get("data")
    if not isinstance(code, str) or not code:
        return None
    text = message if isinstance(message, str) else ""
    if code == "0":
        return Envelope(success=True, code=code, message=text, payload=data) if isinstance(data, list) else None
    if code in {"1", "2"}:
        code, text = _first_row(code, text, data)
    return Envelope(success=False, code=code.partition("_")[0], message=text)


def write_envelope(status: int, value: object) -> Envelope | None:
    """The same for a margin call: a success without the row that repeats the call is not what OKX documents."""
    said = envelope(status, value)
    if said is None or not said.success:
        return said
    row = _echoed(said.payload)
    return None if row is None else replace(said, amount=amount_in(row["amt"]))


def _first_row(code: str, message: str, data: object) -> tuple[str, str]:
    first = data[0] if isinstance(data, list) and data else None
    inner = first.get("sCode") if isinstance(first, dict) else None
    if not isinstance(first, dict) or not isinstance(inner, str) or inner in {"", "0"}:
        return code, message
    text = first.get("sMsg")
    return inner, text if isinstance(text, str) else message


def _echoed(payload: object) -> dict[str, object] | None:
    first = payload[0] if isinstance(payload, list) and len(payload) == 1 else None
    is_whole = isinstance(first, dict) and all(isinstance(first.get(key), str) for key in ("instId", "type", "amt"))
    return first if isinstance(first, dict) and is_whole else None


READING = ResponseFormat(
    title="OKX",
    envelope=envelope,
    codes=table(CODES, None),
    others=of_other_calls(CODES, {None}),
    retry_after_ms=lambda headers, _message, _now_ms: retry_after_header_ms(headers),
)
WRITING = replace(READING, envelope=write_envelope)


class OkxDialect(HeaderSigned):
    """The facts that the transport needs about OKX."""

    time_path = TIME
    time_charges = CHARGES[TIME]
    sign = staticmethod(signing.headers)
    demo_headers = signing.DEMO
    reading = READING

    def served_ms(self, payload: object) -> int:
        """The time in the answer of ``time_path``."""
        what = f"reading {TIME}"
        found = rows(what, payload)
        if not found:
            raise ReadFailed(f"{what}: the answer holds no time; try again later", again=True)
        return found[0].time("ts")
