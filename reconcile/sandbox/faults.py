"""Faults of networks and exchanges: values for the fate of one request, and the plans that choose them.

A ``Fault`` is pure data, so a schedule of faults can be stored, replayed and shrunk. ``FaultPlan`` picks one by rules
(from a TOML or JSON file, ``sandbox serve --faults``); ``swarm.Swarm`` draws them from a seed.

A faults file::

    seed = 7                          # of the dice for `chance`; default 0
    [[rule]]
    method = "POST"                   # a glob; default any
    path = "/fapi/v1/positionMargin"  # a glob; default any
    contains = "symbol=BTCUSDT"       # in the query or the body; default anything
    nth = [1, 3]                      # which of the requests that match, from 1; default all
    chance = 0.5                      # default always
    arrives_ms = [2500]               # when it reaches the exchange: [] never, [0, 800] twice; default [0]
    answer = "timeout"                # true, lost, timeout, refused, connect_timeout, name, tls, cut, or a reply's name
    answer_ms = 0                     # how much later the answer comes
    status = 502                      # with body: this answer instead of the true one
    body = "<html>"
    positions_ms = 3000               # how far behind the data of a read is
    balances_ms = 0
    ledger_ms = 0
    empty = false                     # a read of positions shows none
"""

import json
import random
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Protocol

from reconcile.errors import InputError
from reconcile.sandbox.http import FRESH, Answer, Lag, Request


class Ending(StrEnum):
    """The end of a request as its sender sees it."""

    TRUE = "true"  # the answer arrives (or ``Fault.reply`` in its place)
    LOST = "lost"  # the connection is reset before an answer
    TIMEOUT = "timeout"  # nothing comes until the client gives up
    REFUSED = "refused"  # no connection: it never left
    CONNECT_TIMEOUT = "connect_timeout"  # no connection: it never left
    NAME = "name"  # the host's name is not found: it never left
    TLS = "tls"  # the encrypted channel breaks, before or after the request was read
    CUT = "cut"  # the answer breaks off in its middle


NEVER_LEFT = frozenset({Ending.REFUSED, Ending.CONNECT_TIMEOUT, Ending.NAME})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """The fault that one request meets.

    ``arrives_ms`` lists after how long it reaches the exchange: empty for never, two numbers for a middlebox that
    repeats it. ``reply`` replaces the true answer, whether or not there was an effect; ``answer_ms`` delays it.
    ``queued_ms`` is how long after its arrival it takes effect: its validity is judged at its arrival.
    """

    arrives_ms: tuple[int, ...] = (0,)
    ending: Ending = Ending.TRUE
    reply: Answer | None = None
    answer_ms: int = 0
    queued_ms: int = 0
    lag: Lag = FRESH


NO_FAULT = Fault()


class Faults(Protocol):
    """A source of faults for a venue."""

    def pick(self, request: Request) -> Fault:
        """The fault of this request; called once for each, in the order of sending."""
        ...


class NoFaults:
    """Nothing ever goes wrong."""

    def pick(self, request: Request) -> Fault:  # noqa: ARG002 - the protocol's
        """A request arrives and is answered."""
        return NO_FAULT


class Scripted:
    """The given faults in order, for the requests whose path matches a glob; then nothing goes wrong any more."""

    def __init__(self, faults: Sequence[Fault], *, method: str = "*", path: str = "*") -> None:
        self._left = list(reversed(faults))
        self._method, self._path = method, path

    def pick(self, request: Request) -> Fault:
        """The next fault of the script."""
        matches = fnmatchcase(request.method, self._method) and fnmatchcase(request.path, self._path)
        return self._left.pop() if matches and self._left else NO_FAULT


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRule:
    """The requests that a fault happens to; None means any or all. ``chance`` is a probability from 0 to 1."""

    fault: Fault
    method: str = "*"
    path: str = "*"
    contains: str = ""
    nth: tuple[int, ...] | None = None
    chance: float = 1.0

    def matches(self, request: Request) -> bool:
        """Whether the request is of this kind, whatever its number and the dice."""
        return (
            fnmatchcase(request.method, self.method)
            and fnmatchcase(request.path, self.path)
            and (not self.contains or self.contains in request.query or self.contains.encode() in request.body)
        )


class FaultPlan:
    """Rules in order; the first that applies decides. Every rule counts the requests it matches by itself."""

    def __init__(self, rules: Sequence[FaultRule], *, seed: int = 0) -> None:
        self._rules = tuple(rules)
        self._seen = [0] * len(self._rules)
        self._dice = random.Random(seed)

    def pick(self, request: Request) -> Fault:
        """The fault of the first rule that applies."""
        chosen = NO_FAULT
        for index, rule in enumerate(self._rules):
            if not rule.matches(request):
                continue
            self._seen[index] += 1
            wanted = rule.nth is None or self._seen[index] in rule.nth
            if wanted and chosen is NO_FAULT and (rule.chance >= 1 or self._dice.random() < rule.chance):
                chosen = rule.fault
        return chosen

    @classmethod
    def load(cls, path: Path, *, replies: Mapping[str, Answer], seed: int | None = None) -> "FaultPlan":
        """Read a faults file; raises InputError. ``replies`` are the answers it may name, ``seed`` replaces its own."""
        try:
            text = path.read_text(encoding="utf-8")
            data = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
        except (OSError, ValueError) as error:
            why = (error.strerror if isinstance(error, OSError) else None) or error
            raise InputError(f"reading the faults file {path}: {why}; give a TOML or JSON file") from error
        try:
            rules = [_rule(row, replies) for row in data.get("rule", [])]
            _only(set(data), {"rule", "seed"})
            return cls(rules, seed=int(data.get("seed", 0)) if seed is None else seed)
        except (ValueError, TypeError, AttributeError) as error:
            raise InputError(f"reading the faults file {path}: {error}") from error


_RULE_KEYS = {"method", "path", "contains", "nth", "chance"}
_LAG_KEYS = {"positions_ms", "balances_ms", "ledger_ms", "empty"}
_ENDINGS = {ending.value for ending in Ending}
_FAULT_KEYS = {"arrives_ms", "answer", "answer_ms", "status", "body"}


def _only(given: set[str], known: set[str]) -> None:
    for key in sorted(given - known):
        raise ValueError(f"unknown key {key!r}; expected one of {', '.join(sorted(known))}")


def _rule(row: Mapping[str, Any], replies: Mapping[str, Answer]) -> FaultRule:
    _only(set(row), _RULE_KEYS | _LAG_KEYS | _FAULT_KEYS)
    picked = {name: row[name] for name in _RULE_KEYS & set(row)}
    if "nth" in picked:
        picked["nth"] = tuple(int(number) for number in picked["nth"])
    return FaultRule(fault=_fault(row, replies), **picked)


def _fault(row: Mapping[str, Any], replies: Mapping[str, Answer]) -> Fault:
    name = row.get("answer", "true")
    if name in _ENDINGS:
        ending, reply = Ending(name), None
    elif name in replies:
        ending, reply = Ending.TRUE, replies[name]
    else:
        raise ValueError(f"answer {name!r} is not known; expected one of {', '.join([*Ending, *sorted(replies)])}")
    if "status" in row:
        body = str(row.get("body", "")).encode()
        reply = Answer(status=int(row["status"]), headers={"content-type": "application/json"}, body=body)
    arrives = tuple(int(delay) for delay in row.get("arrives_ms", [0]))
    if any(delay < 0 for delay in arrives):
        raise ValueError("arrives_ms: a delay cannot be negative")
    lag = Lag(**{key: row[key] for key in _LAG_KEYS & set(row)})
    return Fault(arrives_ms=arrives, ending=ending, reply=reply, answer_ms=int(row.get("answer_ms", 0)), lag=lag)


def _html(status: int, title: str) -> Answer:
    body = f"<html><head><title>{title}</title></head><body><center><h1>{title}</h1></center></body></html>"
    return Answer(status=status, headers={"content-type": "text/html"}, body=body.encode())


def _json(status: int, body: bytes) -> Answer:
    return Answer(status=status, headers={"content-type": "application/json"}, body=body)


REPLIES: Mapping[str, Answer] = {
    "html_502": _html(502, "502 Bad Gateway"),
    "html_503": _html(503, "503 Service Temporarily Unavailable"),
    "html_504": _html(504, "504 Gateway Time-out"),
    "html_403": _html(403, "ERROR: The request could not be satisfied"),
    "html_200": _html(200, "Please wait"),
    "empty_200": _json(200, b""),
    "empty_429": _json(429, b""),
    "empty_408": _json(408, b""),
    "empty_500": _json(500, b""),
    "half_200": _json(200, b'{"code":'),
    "list_200": _json(200, b"[]"),
    "object_200": _json(200, b"{}"),
    "null_200": _json(200, b"null"),
    "redirect_302": Answer(status=302, headers={"location": "/elsewhere"}, body=b""),
}
"""Answers that any exchange's gateway can give; a dialect module adds its own in its ``REPLIES``."""
