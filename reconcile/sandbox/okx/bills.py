"""The account's bills: the one trace that a margin call leaves. They name neither a side nor a position.

Of a bill, ``bal`` and ``balChg`` are cash, ``posBal`` and ``posBalChg`` the position's margin, ``sz`` the amount.
"""

from collections.abc import Callable
from decimal import Decimal

from reconcile.money import ZERO, plain
from reconcile.sandbox.okx.gate import OkxCall, OkxSwitches, invalid
from reconcile.sandbox.okx.shapes import SPELLED, inst_type, number
from reconcile.sandbox.values import BookRow

DAY_MS = 86_400_000
RECENT_MS = 7 * DAY_MS
ARCHIVE_MS = 90 * DAY_MS
FIRST_BILL = 700_000_000_000_000_000
SUB_TYPES: dict[str, list[tuple[str, str]]] = {
    "2": [
        ("1", "Buy"),
        ("2", "Sell"),
        ("3", "Open long"),
        ("4", "Open short"),
        ("5", "Close long"),
        ("6", "Close short"),
    ],
    "6": [("160", "Manual margin increase"), ("161", "Manual margin decrease"), ("162", "Auto margin increase")],
    "8": [("173", "Funding fee expense"), ("174", "Funding fee income")],
}


def _fill(row: BookRow) -> str:
    opening = row.change > 0 or (row.change == 0 and row.paid == 0)
    if row.side == "net":
        return "1" if opening else "2"
    return {("long", True): "3", ("short", True): "4", ("long", False): "5", ("short", False): "6"}[row.side, opening]


def _kind(row: BookRow, switches: OkxSwitches) -> tuple[str, str]:
    match row.cause:
        case "add":
            return "6", "160"
        case "reduce":
            return "6", "161"
        case "auto":
            return "6", "162"
        case "leverage":
            return "6", switches.leverage_sub_type
        case "funding":
            return "8", "173" if row.paid < 0 else "174"
        case _:
            return "2", _fill(row)


def _bill(call: OkxCall, row: BookRow) -> dict[str, str]:
    market = call.books.known_market(row.symbol)
    kind, sub_type = _kind(row, call.switches)
    cash, margin = row.paid - row.change, row.change
    if row.cause == "reduce" and call.switches.reduce_bills_positive:
        cash, margin = abs(cash), abs(margin)
    size = abs(row.change) if kind == "6" else abs(row.paid)
    blank = dict.fromkeys(
        ("clOrdId", "execType", "from", "notes", "ordId", "to", "tag", "fillIdxPx", "fillFwdPx", "fillMarkPx"), ""
    )
    return {
        **blank,
        "billId": str(FIRST_BILL + row.row_id),
        "ts": str(row.time_ms),
        "fillTime": str(row.time_ms),
        "type": kind,
        "subType": sub_type,
        "instType": inst_type(row.symbol),
        "instId": row.symbol,
        "mgnMode": SPELLED[row.margin_type],
        "ccy": row.asset,
        "sz": number(size),
        "bal": number(row.balance),
        "balChg": number(cash),
        "posBal": number(row.margin),
        "posBalChg": number(margin),
        "px": plain(market.mark) if kind == "2" else "",
        "pnl": number(row.paid if row.cause in {"fill", "funding"} else ZERO),
        "fee": "0",
        "interest": "0",
        "earnAmt": "",
        "earnApr": "",
        "tradeId": "0",
    }


def bills(call: OkxCall) -> list[dict[str, str]]:
    """The last seven days."""
    return _read(call, oldest_ms=call.now_ms - RECENT_MS, newest_ms=call.now_ms)


def archive(call: OkxCall) -> list[dict[str, str]]:
    """The last three months."""
    newest = call.now_ms if call.switches.archive_has_recent else call.now_ms - RECENT_MS
    return _read(call, oldest_ms=call.now_ms - ARCHIVE_MS, newest_ms=newest)


def _read(call: OkxCall, *, oldest_ms: int, newest_ms: int) -> list[dict[str, str]]:
    limit, after, before = call.number("limit"), call.number("after"), call.number("before")
    begin, end = call.number("begin"), call.number("end")
    size = 100 if limit is None else limit
    if not 1 <= size <= 100:
        raise invalid("limit")
    first, last = max(oldest_ms, begin or 0), newest_ms if end is None else min(newest_ms, end)
    seen_ms = call.now_ms - max(call.lag.ledger_ms, call.switches.bill_delay_ms)
    asked = _asked(call)
    rows = [
        bill
        for row in reversed(call.books.rows_as_of(seen_ms))
        if first <= row.time_ms <= last
        and (after is None or FIRST_BILL + row.row_id < after)
        and (before is None or FIRST_BILL + row.row_id > before)
        and asked(bill := _bill(call, row))
    ]
    oldest_part = before is not None and after is None and not call.switches.page_before_newest
    return rows[-size:] if oldest_part else rows[:size]


def _asked(call: OkxCall) -> Callable[[dict[str, str]], bool]:
    wanted = {
        name: value
        for name in ("instType", "instId", "ccy", "mgnMode", "type", "subType")
        if (value := call.text(name)) is not None
    }
    contract = call.text("ctType")
    if contract not in {None, "linear", "inverse"}:
        raise invalid("ctType")
    books = call.books

    def fits(bill: dict[str, str]) -> bool:
        if contract is not None and books.known_market(bill["instId"]).inverse != (contract == "inverse"):
            return False
        return all(bill[name] == value for name, value in wanted.items())

    return fits


def subtypes(call: OkxCall) -> list[dict[str, object]]:
    """The names of the types and subtypes of bills."""
    wanted = (call.text("type") or ",".join(SUB_TYPES)).split(",")
    names = {"2": "Trade", "6": "Margin transfer", "8": "Funding fee"}
    return [
        {
            "type": kind,
            "typeDesc": names[kind],
            "subTypeDetails": [{"subType": code, "subTypeDesc": text} for code, text in SUB_TYPES[kind]],
        }
        for kind in wanted
        if kind in SUB_TYPES
    ]


def amount_of(text: str) -> Decimal | None:
    """A decimal amount as margin calls take it: plain digits; None for anything else."""
    digits = text.replace(".", "", 1)
    return Decimal(text) if digits.isascii() and digits.isdecimal() and not text.startswith(".") else None
