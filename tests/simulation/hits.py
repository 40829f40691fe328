"""What each name in a schedule does to a request, as the sandbox's own faults.

Odd answers are the sandbox's; proven refusals, which a client may believe, are only ever given by an exchange that did
nothing, so they are listed apart and never come with an effect.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache

from reconcile.sandbox.faults import Ending, Fault
from reconcile.sandbox.http import Answer, Lag
from reconcile.sandbox.registry import simulated
from tests.simulation.schedule import CRASHES, QUEUED, WRITE, Happening


def _answer(status: int, value: object, headers: Mapping[str, str] | None = None) -> Answer:
    body = json.dumps(value).encode()
    return Answer(status=status, headers={"content-type": "application/json", **(headers or {})}, body=body)


def _binance(status: int, code: int, headers: Mapping[str, str] | None = None) -> Answer:
    return _answer(status, {"code": code, "msg": "refused by the schedule"}, headers)


def _okx(status: int, code: str) -> Answer:
    return _answer(status, {"code": code, "msg": "refused by the schedule", "data": []})


def _bitget(status: int, code: str) -> Answer:
    return _answer(status, {"code": code, "msg": "refused", "requestTime": 1_767_225_600_000, "data": None})


_OKX_YES = {"instId": "BTC-USDT-SWAP", "posSide": "long", "amt": "500", "type": "add", "leverage": "", "ccy": "USDT"}
_YES: Mapping[str, Answer] = {
    "binance": _answer(200, {"code": 200, "msg": "Successfully modified."}),
    "bitget": _answer(200, {"code": "00000", "msg": "success", "requestTime": 1_767_225_600_000, "data": ""}),
}
OTHER_YES: Mapping[str, Answer] = {
    "binance": _answer(200, {"code": 200, "msg": "Successfully modified.", "amount": 7.0, "type": 1}),
    "okx": _answer(200, {"code": "0", "msg": "", "data": [{**_OKX_YES, "amt": "7"}]}),
}
"""A yes that repeats an amount which nobody sent; Bitget's repeats none."""


def yes(exchange: str, body: bytes) -> Answer:
    """What an exchange says when it has done what was asked; OKX repeats the request."""
    if exchange != "okx":
        return _YES[exchange]
    asked = json.loads(body)
    row = {name: asked.get(name, "") for name in ("instId", "posSide", "amt", "type")}
    return _answer(200, {"code": "0", "msg": "", "data": [{**row, "leverage": "", "ccy": "USDT"}]})


VALIDITY_MS: Mapping[str, int] = {"binance": 3_000, "okx": 30_000, "bitget": 30_000}
"""How long each exchange accepts a request after it was signed, by the exchange sheets and not by the program's own
traits: ``recvWindow`` as we send it on Binance, the limit on a timestamp's age on OKX and Bitget."""

_OVER = (408, 503)
"""Statuses that say nothing of what was done, whatever code the body has."""

REFUSALS: Mapping[str, Mapping[str, Answer]] = {
    "binance": {
        "throttle": _binance(429, -1003, {"retry-after": "1"}),
        "ban": _binance(418, -1003, {"retry-after": "30"}),
        "clock": _binance(400, -1021),
        "funds": _binance(400, -4050),
        "state": _binance(400, -4054),
        "permission": _binance(401, -2015),
        "request": _binance(400, -1102),
        "later": _binance(400, -1016),
    },
    "okx": {
        "throttle": _okx(429, "50011"),
        "clock": _okx(401, "50102"),
        "state": _okx(200, "59300"),
        "later": _okx(200, "50019"),
        "funds": _okx(200, "51008"),
        "permission": _okx(401, "50030"),
        "request": _okx(400, "50014"),
    },
    "bitget": {
        "throttle": _bitget(429, "429"),
        "clock": _bitget(400, "40008"),
        "state": _bitget(400, "40802"),
        "later": _bitget(400, "22067"),
        "funds": _bitget(400, "40754"),
        "permission": _bitget(400, "40009"),
        "request": _bitget(400, "40705"),
    },
}
"""A documented refusal for each class of codes, by exchange and class."""


@cache
def doubtful(exchange: str) -> tuple[str, ...]:
    """The odd answers that prove nothing."""
    return tuple(sorted(simulated(exchange).replies))


@cache
def refusing(exchange: str) -> tuple[str, ...]:
    """The documented refusals."""
    return tuple(sorted(REFUSALS.get(exchange, {})))


def write_names(exchange: str) -> tuple[str, ...]:
    """Everything that can happen to a write within the assumptions."""
    odd = doubtful(exchange)
    return (
        *("lost", "never", "never_tls", "never_reset", "late", "late_lost", "late_yes", "slow", "cut", "tls"),
        *("refused", "name", "connect_timeout", "yes_without", "early_yes"),
        *(f"coded:{status}" for status in _OVER),
        *(f"coded_without:{status}" for status in _OVER),
        *(f"odd:{name}" for name in odd),
        *(f"odd_without:{name}" for name in odd),
        *(f"refusal:{name}" for name in refusing(exchange)),
        *CRASHES,
    )


SPANS = ("outage", "timeouts", "errors", "throttling", "behind", "wrong_reads")
"""What can happen to every request over a span of time."""


def in_span(each: Happening, where: str, grace: int) -> Happening | None:
    """What a span does to a request at such a point; None: nothing. Raises KeyError for a name that means nothing."""
    is_write = where == WRITE
    how, value = {
        "outage": ("refused", 0),
        "timeouts": ("late" if is_write else "timeout", 0),
        "errors": ("odd_without:html_503" if is_write else "odd:html_503", 0),
        "throttling": ("refusal:throttle", 0),
        "behind": ("" if is_write else "stale", grace),
        "wrong_reads": ("glitch" if where in {"positions", "ledger"} else "", 60_000),
    }[each.how]
    return replace(each, where=where, how=how, value=value) if how else None


READ_NAMES = (
    "stale",
    "stale_positions",
    "stale_ledger",
    "empty",
    "lost",
    "timeout",
    "refused",
    "cut",
    "slow",
    *CRASHES,
)
"""What can happen to any read; odd answers come on top."""


def write_fault(exchange: str, each: Happening, body: bytes) -> Fault:
    """What a happening does to a write with this body; raises KeyError for a name that means nothing."""
    kind, _, name = each.how.partition(":")
    if kind in QUEUED:
        return _queued_fault(exchange, each, body)
    match kind:
        case "odd":
            fault = Fault(reply=simulated(exchange).replies[name])
        case "odd_without":
            fault = Fault(arrives_ms=(), reply=simulated(exchange).replies[name])
        case "yes_without":
            fault = Fault(arrives_ms=(), reply=yes(exchange, body))
        case "other_yes":
            fault = Fault(arrives_ms=(each.value,), reply=OTHER_YES[exchange])
        case "other_yes_without":
            fault = Fault(arrives_ms=(), reply=OTHER_YES[exchange])
        case "coded" | "coded_without":
            reply = replace(REFUSALS[exchange]["state"], status=int(name))
            fault = Fault(arrives_ms=(0,) if kind == "coded" else (), reply=reply)
        case "refusal":
            fault = Fault(arrives_ms=(), reply=REFUSALS[exchange][name])
        case "late" | "late_lost" | "late_yes":
            fault = Fault(arrives_ms=(each.value,), ending=_LATE[kind])
        case "twice" | "twice_lost":
            fault = Fault(arrives_ms=(0, each.value), ending=_LATE[kind])
        case "slow":
            fault = Fault(answer_ms=each.value)
        case _:
            fault = _BOTH[kind]
    return fault


def _queued_fault(exchange: str, each: Happening, body: bytes) -> Fault:
    """A grace is counted by the exchange's clock, which may run 1 in 1000 fast."""
    queued_ms = each.value * 999 // 1000
    if each.how == "early_yes":
        return Fault(queued_ms=queued_ms, reply=yes(exchange, body))
    arrives_ms = 0 if each.how == "queued_lost" else VALIDITY_MS[exchange] - 100
    return Fault(arrives_ms=(arrives_ms,), queued_ms=queued_ms, ending=Ending.LOST)


def read_fault(exchange: str, each: Happening) -> Fault:
    """What a happening does to a read; raises KeyError for a name that means nothing."""
    kind, _, name = each.how.partition(":")
    behind = each.value
    match kind:
        case "odd":
            fault = Fault(arrives_ms=(), reply=simulated(exchange).replies[name])
        case "refusal":
            fault = Fault(arrives_ms=(), reply=REFUSALS[exchange][name])
        case "stale" | "glitch":
            fault = Fault(lag=Lag(positions_ms=behind, balances_ms=behind, ledger_ms=behind))
        case "stale_positions":
            fault = Fault(lag=Lag(positions_ms=behind, balances_ms=behind))
        case "stale_ledger":
            fault = Fault(lag=Lag(ledger_ms=behind))
        case "empty":
            fault = Fault(lag=Lag(empty=True))
        case "slow":
            fault = Fault(answer_ms=behind)
        case _:
            fault = _BOTH[kind]
    return fault


_LATE: Mapping[str, Ending] = {
    "late": Ending.TIMEOUT,
    "late_lost": Ending.LOST,
    "late_yes": Ending.TRUE,
    "twice": Ending.TRUE,
    "twice_lost": Ending.LOST,
}
_BOTH: Mapping[str, Fault] = {
    "lost": Fault(ending=Ending.LOST),
    "timeout": Fault(ending=Ending.TIMEOUT),
    "never": Fault(arrives_ms=(), ending=Ending.TIMEOUT),
    "never_tls": Fault(arrives_ms=(), ending=Ending.TLS),
    "never_reset": Fault(arrives_ms=(), ending=Ending.LOST),
    "cut": Fault(ending=Ending.CUT),
    "tls": Fault(ending=Ending.TLS),
    "refused": Fault(arrives_ms=(), ending=Ending.REFUSED),
    "name": Fault(arrives_ms=(), ending=Ending.NAME),
    "connect_timeout": Fault(arrives_ms=(), ending=Ending.CONNECT_TIMEOUT),
}
