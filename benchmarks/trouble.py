"""What goes wrong in the side-by-side: the first write of each account meets one of five faults, in turn.

``lost``: the margin moves and the connection is reset before the answer. ``503``: the margin moves and a gateway says
503. ``late``: the connection is reset, and the request arrives a second and a half later, well inside its validity.
``stale``: as ``lost``, and reads of the next three seconds come from a replica that has not seen it. ``never``: the
connection is reset and nothing arrives.
"""

from collections.abc import Sequence
from dataclasses import replace

from reconcile.clock import SystemClock
from reconcile.sandbox.faults import NO_FAULT, REPLIES, Ending, Fault
from reconcile.sandbox.http import Lag, Request

BEHIND_MS = 3_000
LATE_MS = 1_500
KINDS: dict[str, Fault] = {
    "lost": Fault(ending=Ending.LOST),
    "503": Fault(reply=REPLIES["html_503"]),
    "late": Fault(arrives_ms=(LATE_MS,), ending=Ending.LOST),
    "stale": Fault(ending=Ending.LOST),
    "never": Fault(arrives_ms=(), ending=Ending.LOST),
}


class FirstWrites:
    """A fault for the first write of each key; the accounts, in their order, take turns with the kinds."""

    def __init__(self, keys: Sequence[str]) -> None:
        kinds = list(KINDS)
        self._kind = {key: kinds[number % len(kinds)] for number, key in enumerate(keys)}
        self._written: dict[str, int] = {}
        self._clock = SystemClock()

    def pick(self, request: Request) -> Fault:
        """The first write's fault; after it a stale read where that is the kind."""
        key = request.headers.get("x-mbx-apikey") or request.headers.get("ok-access-key") or ""
        kind, now = self._kind.get(key), self._clock.monotonic_ms()
        if kind is None:
            return NO_FAULT
        if request.method != "GET" and key not in self._written:
            self._written[key] = now
            return KINDS[kind]
        behind = now - self._written.get(key, now - BEHIND_MS)
        if kind == "stale" and request.method == "GET" and behind < BEHIND_MS:
            return replace(NO_FAULT, lag=Lag(positions_ms=behind + 1, balances_ms=behind + 1))
        return NO_FAULT
