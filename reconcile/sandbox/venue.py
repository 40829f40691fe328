"""A simulated exchange and the network in front of it: when requests arrive, and what comes back.

One object drives the loopback server, the in-process adapter and the virtual-time simulation. ``send`` schedules a
request's arrivals. ``advance`` lets time pass and applies each due event at its own moment and in order. ``submit``
does both for callers that do one thing at a time. A request's validity is judged when it arrives, so a late one is
refused by itself; a queued one takes effect later than that. Times given to a venue are true time; the exchange's own
clock may differ.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from reconcile.sandbox.faults import NEVER_LEFT, Ending, Fault, Faults, NoFaults
from reconcile.sandbox.http import Answer, Request, Responder

CONNECT_TIMEOUT_MS = 5_000
READ_TIMEOUT_MS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """The end of a request for its sender, and its time. Exactly one of ``answer`` and ``trouble`` is set; a cut answer
    has both."""

    answer: Answer | None
    trouble: Ending | None
    at_ms: int


@dataclass(slots=True, kw_only=True)
class SentRequest:
    """A request under way: its fault, when its sender will know how it ended, and the true answer once there is one."""

    request: Request
    fault: Fault
    sent_ms: int
    arrives: tuple[int, ...]
    at_ms: int
    ending: Ending
    answer: Answer | None = None

    def delivery(self) -> Delivery:
        """The sender's delivery at ``at_ms``; call it only after the venue has advanced that far."""
        match self.ending:
            case Ending.TRUE:
                return Delivery(answer=self.fault.reply or self.answer, trouble=None, at_ms=self.at_ms)
            case Ending.CUT:
                whole = self.fault.reply or self.answer or Answer(status=200, headers={}, body=b'{"code":200,"m')
                part = replace(whole, body=whole.body[: len(whole.body) // 2])
                return Delivery(answer=part, trouble=Ending.CUT, at_ms=self.at_ms)
            case _:
                return Delivery(answer=None, trouble=self.ending, at_ms=self.at_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEvent:
    """One line of a venue's timeline. ``what``: sent, arrived; ``detail`` never holds a credential."""

    at_ms: int
    what: str
    serial: int
    detail: str


def same_clock(now_ms: int) -> int:
    """The exchange's clock is right."""
    return now_ms


@dataclass(slots=True, kw_only=True)
class Venue:
    """A dialect behind a network.

    ``clock`` turns true time into the exchange's own; ``latency_ms`` is a whole round trip. ``timeline`` is None unless
    a list is given, to which every event is appended.
    """

    dialect: Responder
    faults: Faults = field(default_factory=NoFaults)
    clock: Callable[[int], int] = same_clock
    latency_ms: int = 0
    timeline: list[TimelineEvent] | None = None
    _due: list[tuple[int, int, Callable[[int], None]]] = field(default_factory=list)
    _order: int = 0
    _serial: int = 0

    def send(self, request: Request, now_ms: int, *, timeout_ms: int = READ_TIMEOUT_MS) -> SentRequest:
        """A request leaves its sender now; nothing has arrived yet, not even at once."""
        self._serial += 1
        request = _numbered(request, self._serial, delivery=1)
        fault = self.faults.pick(request)
        up = self.latency_ms // 2
        arrives = () if fault.ending in NEVER_LEFT else tuple(now_ms + up + delay for delay in fault.arrives_ms)
        ending, at_ms = self._ending(fault, now_ms, arrives, timeout_ms)
        sent = SentRequest(request=request, fault=fault, sent_ms=now_ms, arrives=arrives, at_ms=at_ms, ending=ending)
        for number, moment in enumerate(arrives, start=1):
            self.at(moment + fault.queued_ms, self._arrival(sent, number))
        if self.timeline is not None:
            self.timeline.append(
                TimelineEvent(at_ms=now_ms, what="sent", serial=self._serial, detail=_line(request, fault))
            )
        return sent

    def submit(self, request: Request, now_ms: int, *, timeout_ms: int = READ_TIMEOUT_MS) -> Delivery:
        """Send and let time pass until the sender knows how it ended; the caller's clock must follow to ``at_ms``."""
        self.advance(now_ms)
        sent = self.send(request, now_ms, timeout_ms=timeout_ms)
        self.advance(sent.at_ms)
        return sent.delivery()

    def at(self, moment_ms: int, action: Callable[[int], None]) -> None:
        """Do something at a moment: a funding, a fill, a human. ``action`` is given the exchange's time."""
        self._order += 1
        heapq.heappush(self._due, (moment_ms, self._order, action))

    def advance(self, now_ms: int) -> None:
        """Apply everything due up to and including this moment, in order."""
        while self._due and self._due[0][0] <= now_ms:
            moment, _, action = heapq.heappop(self._due)
            action(self.clock(moment))

    def next_due(self) -> int | None:
        """The time of the next event; None when nothing is under way."""
        return self._due[0][0] if self._due else None

    def _ending(self, fault: Fault, now_ms: int, arrives: tuple[int, ...], timeout_ms: int) -> tuple[Ending, int]:
        gives_up = now_ms + timeout_ms
        down = self.latency_ms - self.latency_ms // 2
        match fault.ending:
            case Ending.TIMEOUT:
                return Ending.TIMEOUT, gives_up
            case Ending.CONNECT_TIMEOUT:
                return Ending.CONNECT_TIMEOUT, now_ms + min(CONNECT_TIMEOUT_MS, timeout_ms)
            case Ending.REFUSED | Ending.NAME:
                return fault.ending, now_ms + self.latency_ms
            case Ending.TRUE if not arrives and fault.reply is None:
                return Ending.TIMEOUT, gives_up
            case Ending.LOST | Ending.TLS:
                return fault.ending, min(gives_up, now_ms + self.latency_ms + fault.answer_ms)
            case _:
                heard = (now_ms + self.latency_ms // 2) if fault.reply or not arrives else arrives[0]
                at_ms = heard + down + fault.answer_ms
                return (fault.ending, at_ms) if at_ms <= gives_up else (Ending.TIMEOUT, gives_up)

    def _arrival(self, sent: SentRequest, number: int) -> Callable[[int], None]:
        def arrive(exchange_ms: int) -> None:
            moment = sent.arrives[number - 1]
            request = sent.request if number == 1 else _numbered(sent.request, sent.request.serial, delivery=number)
            if sent.fault.queued_ms:
                request = replace(request, accepted_ms=self.clock(moment))
            answer = self.dialect.handle(request, exchange_ms, sent.fault.lag)
            if number == 1:
                sent.answer = answer
            if self.timeline is not None:
                detail = f"{request.method} {request.path} -> {answer.status} at exchange time {exchange_ms}"
                at_ms = moment + sent.fault.queued_ms
                self.timeline.append(TimelineEvent(at_ms=at_ms, what="arrived", serial=request.serial, detail=detail))

        return arrive


def _numbered(request: Request, serial: int, *, delivery: int) -> Request:
    """Spelt out, since it is done for each request of millions and ``replace`` takes three times as long."""
    return Request(
        method=request.method,
        path=request.path,
        query=request.query,
        headers=request.headers,
        body=request.body,
        serial=serial,
        delivery=delivery,
    )


def _line(request: Request, fault: Fault) -> str:
    reply = "" if fault.reply is None else f", answered {fault.reply.status}"
    return f"{request.method} {request.path} (arrives {list(fault.arrives_ms)}, {fault.ending}{reply})"
