"""Every Binance code we know: what it means, what it proves about our two calls, where that is from.

Sources: ``docs`` are the Binance derivatives docs, USD-M (Error Codes, General Info, the pages of the calls). ``log``
is their change log; a repository and number is a public issue with a real answer in it. A code that is missing proves
nothing. One that is documented for other calls only proves nothing either: on ours it would mean something else.
``-1001`` and ``-1008`` are documented as surely not executed, but come with HTTP 503, and an order went through despite
one: doubt. ``-4067`` and ``-4068`` on a type change were seen where nothing was left to change; whether it is so, only
a look tells.

By HTTP status: every 3xx, 408 and 5xx is doubt before any code is read, also a 503 without a code. For 400, 401, 404,
418, 429 and 451, the code decides. A 403 of the firewall in front (HTML) is doubt on a write. Code 0 is a refusal with
HTTP 451 (geographic block) only.
"""

import re
from collections.abc import Mapping

from reconcile.exchanges.base import Code, CodeClass
from reconcile.exchanges.http.answers import (
    Envelope,
    ResponseFormat,
    amount_in,
    of_other_calls,
    retry_after_header_ms,
    table,
)
from reconcile.money import whole

MARGIN = "positionMargin"
TYPE = "marginType"
_MINUTE_MS = 60_000
_BANNED_UNTIL = re.compile(r"until ([0-9]{13})(?![0-9])")


ENVIRONMENT = 'a key of the testnet needs endpoint = "testnet" under [account], a live key endpoint = "live"'


def _code(
    code: int, meaning: str, proves: CodeClass, source: str = "docs", call: str | None = None, *, advice: str = ""
) -> Code:
    return Code(code=str(code), meaning=meaning, proves=proves, source=source, call=call, advice=advice)


def _codes(numbers: tuple[int, ...], meaning: str, proves: CodeClass, source: str = "docs") -> tuple[Code, ...]:
    return tuple(_code(number, meaning, proves, source) for number in numbers)


CODES: tuple[Code, ...] = (
    # the margin type
    _code(-4046, "the margin type is already as asked", CodeClass.ALREADY, "docs; freqtrade#9496", TYPE),
    _code(-4047, "open orders block the margin type", CodeClass.STATE),
    _code(-4048, "an open position blocks the margin type", CodeClass.STATE),
    _code(-4067, "already so, or open orders", CodeClass.ALREADY, "binance-connector-python#538", TYPE),
    _code(-4068, "already so, or an open position", CodeClass.ALREADY, "docs; on this call by analogy", TYPE),
    _code(-4168, "no isolated margin in multi-assets mode", CodeClass.STATE, "docs; NoFxAiOS/nofx#241"),
    # the margin
    _code(-4049, "margin can only be added to an isolated position", CodeClass.STATE),
    _code(-4050, "the free balance is not enough", CodeClass.FUNDS, "docs; ccxt#9502"),
    _code(-4051, "more than is removable", CodeClass.FUNDS, "docs; Binance_Futures_python#150"),
    _code(-4054, "there is no open position on this side", CodeClass.STATE, "docs; node-binance-api#602"),
    _code(-4055, "the amount must be positive", CodeClass.REQUEST),
    *_codes((-4060, -4061), "the side does not fit the account's position mode", CodeClass.STATE),
    *_codes((-4052, -4053), "about automatic margin", CodeClass.STATE),
    *_codes((-2018, -2019), "the balance is not enough", CodeClass.FUNDS),
    *_codes((-2027, -2028), "the position does not fit its leverage", CodeClass.STATE),
    _code(-2023, "the account is being liquidated", CodeClass.LATER),
    # documented for other calls only
    _code(-4059, "the position mode is already as asked", CodeClass.DOUBT, "docs, position mode only"),
    *_codes((-4167, -4169, -4170, -4171, -4172), "multi-assets mode cannot be switched", CodeClass.DOUBT),
    _code(-4131, "price filter of a market order", CodeClass.DOUBT, "docs, orders only"),
    _code(-4161, "no lower leverage with an isolated position", CodeClass.DOUBT, "docs, leverage only"),
    _code(-4189, "only orders that reduce are open to this account", CodeClass.DOUBT, "docs, orders only"),
    _code(-4531, "the position mode cannot be synchronised", CodeClass.DOUBT, "log 2026-05-11, position mode only"),
    # the exchange itself
    _code(-1000, "an unknown error while processing", CodeClass.DOUBT),
    _code(-1001, "an internal error", CodeClass.DOUBT),
    _code(-1006, "an unexpected answer inside, execution unknown", CodeClass.DOUBT),
    _code(-1007, "a timeout inside, execution unknown", CodeClass.DOUBT),
    _code(-1008, "overloaded", CodeClass.DOUBT, "docs; banbox/banbot#114"),
    _code(-1003, "too many requests", CodeClass.THROTTLE),
    _code(-1015, "too many orders", CodeClass.THROTTLE),
    _code(-1016, "the service is shutting down", CodeClass.LATER),
    # time, key and account
    _code(-1021, "the timestamp is outside the window", CodeClass.CLOCK),
    _code(-1022, "the signature is wrong", CodeClass.PERMISSION),
    _code(-1002, "not authorised", CodeClass.PERMISSION),
    _code(-1099, "not found, or not authorised", CodeClass.PERMISSION),
    _code(-1011, "this IP address may not use the route", CodeClass.PERMISSION),
    _code(
        -2008,
        "the API key is not known here: often a key of the other environment (live or testnet)",
        CodeClass.PERMISSION,
        "python-binance#1155, ccxt#29099; in no table",
        advice=ENVIRONMENT,
    ),
    _code(
        -4408,
        "reduce-only for this account by regulation: a person must switch its trading mode",
        CodeClass.PERMISSION,
        "tiagosiebler/binance, seen on orders; in no table",
    ),
    _code(
        -4411,
        "the agreement for these perpetuals is not signed: a person must sign it",
        CodeClass.PERMISSION,
        "freqtrade#12900, seen on orders; in no table",
    ),
    _code(-2014, "the format of the API key is wrong", CodeClass.PERMISSION),
    _code(-2015, "the API key, its IP address or its permissions", CodeClass.PERMISSION, "docs; ccxt#6699"),
    _code(-2017, "the API keys are locked", CodeClass.PERMISSION),
    _code(-4084, "not yet available to this account", CodeClass.PERMISSION),
    _code(-4109, "the account is archived", CodeClass.PERMISSION),
    _code(-4192, "in a cooling-off period", CodeClass.PERMISSION),
    _code(-4402, "not available in this region", CodeClass.PERMISSION),
    _code(
        0,
        "not available from this location",
        CodeClass.PERMISSION,
        "ccxt#16044",
        advice="run reconcile from a place that Binance serves",
    ),
    # what we sent
    *_codes((-1100, -1101, -1102, -1103, -1104, -1105, -1106), "a parameter is malformed", CodeClass.REQUEST),
    _code(-1111, "too many decimals", CodeClass.REQUEST),
    *_codes((-1128, -1130), "parameters that do not go together", CodeClass.REQUEST),
    _code(-1121, "an unknown symbol", CodeClass.REQUEST),
    _code(-1020, "the operation is not supported", CodeClass.REQUEST),
    _code(-1108, "the asset is invalid", CodeClass.REQUEST),
    _code(-1109, "the account is invalid", CodeClass.PERMISSION),
    _code(-1110, "the symbol type is invalid", CodeClass.REQUEST),
    _code(-1023, "the start of the time window is after its end", CodeClass.REQUEST),
    _code(-1127, "the time window is too long", CodeClass.REQUEST),
    _code(-4027, "the account type is invalid", CodeClass.PERMISSION),
    _code(-4044, "the balance type is invalid", CodeClass.REQUEST),
    _code(-1122, "the symbol's status does not allow it", CodeClass.STATE),
    _code(-4141, "the symbol is closed", CodeClass.STATE),
    _code(-4144, "an unknown pair", CodeClass.REQUEST),
    _code(-5000, "the path is invalid or retired", CodeClass.REQUEST, "docs; binance-futures-connector-python#130"),
)


def _read_envelope(status: int, value: object) -> Envelope | None:
    """A payload is the body itself; an error is an object with a number ``code``."""
    error = _error(status, value)
    if error is not None:
        return error
    if isinstance(value, dict) and "code" in value and "msg" in value:
        return None
    return Envelope(success=True, code=None, message="", payload=value) if isinstance(value, dict | list) else None


def _write_envelope(status: int, value: object) -> Envelope | None:
    """A success is ``code`` 200 as well; that of a margin call repeats the amount, as a float."""
    if not isinstance(value, dict) or not isinstance(value.get("msg"), str):
        return None
    if value.get("code") == 200 and type(value["code"]) is int:
        return Envelope(success=True, code="200", message=value["msg"], amount=amount_in(value.get("amount")))
    return _error(status, value)


def _error(status: int, value: object) -> Envelope | None:
    if not isinstance(value, dict):
        return None
    code, message = value.get("code"), value.get("msg")
    if type(code) is not int or code > 0 or not isinstance(message, str) or (code == 0 and status != 451):
        return None
    return Envelope(success=False, code=str(code), message=message)


def _retry_after_ms(headers: Mapping[str, str], message: str, now_ms: int | None) -> int:
    """The header, else the end of the ban in the message, else the next full minute of the exchange's clock."""
    told = retry_after_header_ms(headers)
    if told is not None:
        return told
    ban = _BANNED_UNTIL.search(message)
    if ban is not None and now_ms is not None:
        return max(0, whole(ban.group(1)) - now_ms)
    return _MINUTE_MS if now_ms is None else _MINUTE_MS - now_ms % _MINUTE_MS


READ = ResponseFormat(
    title="Binance", envelope=_read_envelope, codes=table(CODES, None), retry_after_ms=_retry_after_ms
)
WRITE: Mapping[str, ResponseFormat] = {
    call: ResponseFormat(
        title="Binance",
        envelope=_write_envelope,
        codes=table(CODES, call),
        others=of_other_calls(CODES, {None, call}),
        retry_after_ms=_retry_after_ms,
    )
    for call in (MARGIN, TYPE)
}
