"""Classify an HTTP answer. The order of the questions is the same for every exchange, so they are asked here, once.

An adapter says how its exchange speaks (``ResponseFormat``): where code and message are, what each documented code
proves, and how long to wait. Everything here is a function of the answer; nothing is sent or waited for.

For a write, in this order:

1. A redirect, HTTP 408 or any 5xx is doubt, whatever the body says.
2. A body that does not have the documented shape is doubt, also with 403 or 429.
3. A success with 2xx is a yes.
4. A documented code that refuses is a refusal.
5. Everything else is doubt.

Messages never carry headers, URLs, keys or addresses of machines.
"""

import re
from calendar import timegm
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from email.utils import parsedate_to_datetime
from functools import lru_cache

from reconcile.errors import InDoubt, ReadFailed, RefusalKind, Refused
from reconcile.exchanges.base import Accepted, Code, CodeClass
from reconcile.exchanges.http.rows import LONGEST_MESSAGE
from reconcile.exchanges.http.wire import HttpResponse
from reconcile.model.jsontext import loads
from reconcile.model.times import checked
from reconcile.money import parse, whole

LONGEST_CODE = 40
_ADDRESSES = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b|(?<![\w:.])(?:[0-9a-fA-F]{0,4}:){2,7}[0-9a-fA-F]{0,4}(?![\w:.])")
_SECONDS = re.compile(r"[0-9]{1,9}")
_LONG_TOKENS = re.compile(r"[A-Za-z0-9+/=_-]{32,}")
_AGAIN = {CodeClass.THROTTLE, CodeClass.CLOCK, CodeClass.LATER, CodeClass.DOUBT}
_ADVICE = {
    CodeClass.PERMISSION: "check the API key, its permissions and its list of IP addresses",
    CodeClass.THROTTLE: "wait, or stop other programs on this key or address",
    CodeClass.CLOCK: "its time was asked for again without effect; try again later",
    CodeClass.REQUEST: "check the endpoint and the symbols, or report this as a bug",
    CodeClass.LATER: "try again later",
    CodeClass.DOUBT: "try again later",
}


_BY_STATUS = {
    403: "a firewall on the way or in front of the exchange refused the request: wait some minutes, then check the "
    "address that you call from",
    404: "the exchange does not have this path: check the endpoint, or update reconcile",
    407: "the proxy wants a user and a password: check the proxy variables",
    451: "the exchange does not serve the place that you call from: run reconcile where it does",
}
"""The advice for an answer that is not the exchange's own, by HTTP status."""


def of_other_calls(codes: tuple[Code, ...], calls: Collection[str | None]) -> Mapping[str, Code]:
    """The codes that are documented for calls other than these."""
    return {code.code: code for code in codes if code.call not in calls}


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """The content of a well-formed answer. ``code`` is None if a success carries none. ``payload`` is the data of a
    read. ``amount`` is the amount of a margin call that its success repeats (None: it repeats none)."""

    success: bool
    code: str | None
    message: str
    payload: object = None
    amount: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseFormat:
    """The response format of one exchange.

    ``envelope`` reads (HTTP status, parsed body) and returns None when the body is not of the documented shape.
    ``retry_after_ms`` reads (headers, message, exchange time or None) and returns None when no wait was asked for.
    ``others`` are the codes that are documented for other calls only.
    """

    title: str
    envelope: Callable[[int, object], Envelope | None]
    codes: Mapping[str, Code]
    retry_after_ms: Callable[[Mapping[str, str], str, int | None], int | None]
    others: Mapping[str, Code] = field(default_factory=dict)


def read_answer(
    what: str,
    response: HttpResponse,
    form: ResponseFormat,
    *,
    now_ms: int | None,
) -> object:
    """The payload of a read; ``what`` begins every message. Raises ReadFailed."""
    value = parsed(response.body)
    envelope = None if value is None else _envelope(form, response.status, value)
    if envelope is not None and envelope.success and 200 <= response.status < 300:
        return envelope.payload
    if envelope is None or envelope.code is None:
        raise _unusable(what, response, form, is_json=value is not None, now_ms=now_ms)
    code = form.codes.get(envelope.code)
    proves = CodeClass.DOUBT if code is None else code.proves
    throttled = proves is CodeClass.THROTTLE or response.status in {418, 429}
    raise ReadFailed(
        f"{what}: {form.title} answers {_quote(envelope, code)} (HTTP {response.status}); {_advice(form, code)}",
        again=throttled or proves in _AGAIN or response.status >= 500,
        code=envelope.code,
        retry_after_ms=form.retry_after_ms(response.headers, envelope.message, now_ms) if throttled else None,
        kind=RefusalKind.THROTTLE if throttled else _kind(proves),
        status=response.status,
    )


def write_answer(what: str, response: HttpResponse, form: ResponseFormat, *, now_ms: int | None) -> Accepted:
    """The yes of a write; raises Refused or InDoubt, never anything else."""
    status = response.status
    value = parsed(response.body)
    envelope = _envelope(form, status, value) if isinstance(value, dict) else None
    told = None if envelope is None else envelope.code
    if status < 200 or 300 <= status < 400 or status == 408 or status >= 500:
        raise InDoubt(f"{what}: HTTP {status}, which does not say whether it was done", code=told)
    if envelope is None:
        raise InDoubt(f"{what}: HTTP {status} with a body that is not what {form.title} documents")
    if envelope.success:
        if status >= 300:
            raise InDoubt(f"{what}: a success with HTTP {status}", code=told)
        note = clean(envelope.message) if told is None else f"{told} {clean(envelope.message)}".strip()
        return Accepted(note=note, amount=envelope.amount)
    code = form.codes.get(told or "")
    if code is None:
        raise InDoubt(f"{what}: {_unknown(envelope, form)}", code=told)
    if code.proves is CodeClass.ALREADY:
        return Accepted(note=_quote(envelope, code))
    kind = _kind(code.proves)
    if kind is None:
        raise InDoubt(f"{what}: {_quote(envelope, code)}", code=told)
    throttled = kind is RefusalKind.THROTTLE
    raise Refused(
        f"{what}: {form.title} refuses: {_quote(envelope, code)}{f'; {code.advice}' if code.advice else ''}",
        kind=kind,
        code=code.code,
        retry_after_ms=form.retry_after_ms(response.headers, envelope.message, now_ms) if throttled else None,
    )


def _envelope(form: ResponseFormat, status: int, value: object) -> Envelope | None:
    """The envelope, its code fit to be shown and journalled as well."""
    envelope = form.envelope(status, value)
    return (
        envelope
        if envelope is None or envelope.code is None
        else replace(envelope, code=clean(envelope.code)[:LONGEST_CODE])
    )


@lru_cache(maxsize=256)
def clean(message: str) -> str:
    """An exchange's own words, fit for logs and journals: no addresses of machines, nothing that looks like a key."""
    printable = "".join(sign if sign.isprintable() else " " for sign in message)
    return _LONG_TOKENS.sub("…", _ADDRESSES.sub("<ip>", printable))[:LONGEST_MESSAGE]


def retry_after_header_ms(headers: Mapping[str, str]) -> int | None:
    """``Retry-After`` in whole seconds, as milliseconds; None when there is none that can be read."""
    text = headers.get("retry-after", "").strip()
    return whole(text) * 1000 if _SECONDS.fullmatch(text) else None


def date_header_ms(headers: Mapping[str, str]) -> int | None:
    """``Date`` (RFC 9110, to the second) as Unix milliseconds; None when there is none that can be read."""
    try:
        moment = parsedate_to_datetime(headers.get("date", ""))
        return None if moment.tzinfo is None else checked(timegm(moment.utctimetuple()) * 1000)
    except (ValueError, OverflowError):
        return None


def table(codes: tuple[Code, ...], call: str | None) -> Mapping[str, Code]:
    """The codes of one call: those of every call, and its own where the call makes a difference."""
    general = {code.code: code for code in codes if code.call is None}
    return general | {code.code: code for code in codes if code.call is not None and code.call == call}


def amount_in(value: object) -> Decimal | None:
    """An amount as an answer has it, a number or a text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        return None
    try:
        return parse(str(value))
    except ValueError:
        return None


def parsed(body: bytes) -> object | None:
    """The parsed body with exact decimals; None when it is not JSON in UTF-8 (or only ``null``)."""
    try:
        return loads(body.decode("utf-8"))
    except ValueError:
        return None


def _kind(proves: CodeClass) -> RefusalKind | None:
    return None if proves in {CodeClass.DOUBT, CodeClass.ALREADY} else RefusalKind(proves.value)


def _quote(envelope: Envelope, code: Code | None) -> str:
    meaning = "" if code is None else f" ({code.meaning})"
    return f"{envelope.code}{meaning}: {clean(envelope.message)}"


def _advice(form: ResponseFormat, code: Code | None) -> str:
    """The advice after a failed read."""
    if code is None:
        return f"reconcile's table does not have this code; look it up in the documentation of {form.title}"
    return code.advice or _ADVICE.get(code.proves, "see the message")


def _unknown(envelope: Envelope, form: ResponseFormat) -> str:
    """The reason why a code proves nothing about a write."""
    other = form.others.get(envelope.code or "")
    if other is not None:
        return f"{_quote(envelope, other)} is documented for other calls only, and proves nothing about this one"
    return f"{_quote(envelope, None)}: reconcile's table does not have this code, so it proves nothing"


def _unusable(
    what: str, response: HttpResponse, form: ResponseFormat, *, is_json: bool, now_ms: int | None
) -> ReadFailed:
    """A read whose answer cannot be understood at all; a firewall, a wrong URL or an overloaded exchange."""
    status, body = response.status, response.body.strip()
    if not body:
        problem = "the answer is empty"
    elif is_json:
        problem = "the answer is not what the exchange documents"
    elif body[:1] == b"<":
        problem = "the answer is HTML instead of JSON"
    else:
        problem = "the answer is not JSON"
    throttled = status in {418, 429}
    advice = _BY_STATUS.get(status, "check the endpoint, and any proxy or firewall on the way")
    return ReadFailed(
        f"{what}: {problem} (HTTP {status}); {'wait, then try again' if status >= 500 or throttled else advice}",
        again=throttled or status in {408, 425} or status >= 500 or 200 <= status < 300,
        retry_after_ms=form.retry_after_ms(response.headers, "", now_ms) if throttled else None,
        kind=RefusalKind.THROTTLE if throttled else None,
        status=status,
    )
