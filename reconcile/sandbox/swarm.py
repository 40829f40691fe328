"""Faults drawn from a seed, swarm-style: each seed has its own mix, so that rare combinations are reached.

Everything stays within what the program assumes of an exchange. Reads and ledger rows lag no more than the grace.
Writes arrive at any time up to just past the end of their validity, where the exchange refuses them. At most one read
of positions is answered with none.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reconcile.sandbox.faults import NEVER_LEFT, NO_FAULT, Ending, Fault
from reconcile.sandbox.http import Answer, Lag, Request

WRITE_KINDS = ("lost", "never", "late", "twice", "reply", "reply_without", "connect", "cut", "timeout", "tls")
READ_KINDS = ("stale", "ledger", "empty", "reply", "connect", "timeout", "cut")
BELIEVABLE = frozenset({"list_200", "empty_data"})
"""Replies that a reader cannot tell from a true one: an empty history would be a lie, not a fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SwarmLimits:
    """Within what a swarm stays: the validity of a write and the grace of reads, in milliseconds."""

    validity_ms: int
    grace_ms: int = 5000


class Swarm:
    """A source of faults for a venue, decided by one seed."""

    def __init__(self, seed: int, *, limits: SwarmLimits, replies: Mapping[str, Answer]) -> None:
        """``replies`` are the odd answers to choose from, by name."""
        dice = self._dice = random.Random(seed)
        self._limits, self._replies = limits, replies
        self._rate = dice.choice((0.05, 0.2, 0.5, 0.8))
        self._writes = dice.sample(WRITE_KINDS, dice.randint(1, len(WRITE_KINDS)))
        self._reads = dice.sample(READ_KINDS, dice.randint(1, len(READ_KINDS)))
        self._emptied = False
        self._names = dice.sample(sorted(replies), dice.randint(1, len(replies)))
        self._read_names = sorted(set(self._names) - BELIEVABLE) or sorted(set(replies) - BELIEVABLE)

    def pick(self, request: Request) -> Fault:
        """A fault, or none."""
        if self._dice.random() >= self._rate:
            return NO_FAULT
        if request.method == "GET":
            return self.read_fault(self._dice.choice(self._reads))
        return self.write_fault(self._dice.choice(self._writes))

    def write_fault(self, kind: str) -> Fault:
        """One of ``WRITE_KINDS``, its details drawn."""
        dice, end = self._dice, self._limits.validity_ms
        late = dice.choice((dice.randint(0, end), end - 1, end, end + 1))
        fault: Fault
        match kind:
            case "lost":
                fault = Fault(ending=Ending.LOST)
            case "never":
                fault = Fault(arrives_ms=(), ending=dice.choice((Ending.LOST, Ending.TIMEOUT, Ending.TLS)))
            case "late":
                fault = Fault(arrives_ms=(late,), ending=dice.choice((Ending.LOST, Ending.TIMEOUT)))
            case "twice":
                fault = Fault(arrives_ms=(0, late), ending=dice.choice((Ending.TRUE, Ending.LOST, Ending.TIMEOUT)))
            case "reply":
                fault = Fault(reply=self._reply(self._names))
            case "reply_without":
                fault = Fault(arrives_ms=(), reply=self._reply(self._names))
            case "connect":
                fault = Fault(arrives_ms=(), ending=dice.choice(sorted(NEVER_LEFT)))
            case _:
                fault = Fault(arrives_ms=dice.choice(((), (0,), (late,))), ending=Ending(kind))
        return fault

    def read_fault(self, kind: str) -> Fault:
        """One of ``READ_KINDS``, its details drawn."""
        dice, grace = self._dice, self._limits.grace_ms
        fault: Fault
        match kind:
            case "stale":
                behind = dice.randint(1, grace)
                fault = Fault(lag=Lag(positions_ms=behind, balances_ms=dice.choice((0, behind))))
            case "ledger":
                fault = Fault(lag=Lag(ledger_ms=dice.randint(1, grace)))
            case "empty" if not self._emptied:
                self._emptied, fault = True, Fault(lag=Lag(empty=True))
            case "empty":
                fault = NO_FAULT
            case "reply":
                fault = Fault(reply=self._reply(self._read_names))
            case "connect":
                fault = Fault(arrives_ms=(), ending=dice.choice(sorted(NEVER_LEFT)))
            case _:
                fault = Fault(ending=Ending(kind))
        return fault

    def _reply(self, names: Sequence[str]) -> Answer:
        return self._replies[self._dice.choice(names)]
