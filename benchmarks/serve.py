"""The simulated exchange in a process of its own, with as many accounts and positions as a benchmark asks for.

Books are in memory; everything else is what ``reconcile sandbox serve`` runs. Prints one line of JSON (url, and each
account's key, secret and passphrase), serves until its stdin ends, and prints what it has seen as another: requests by
method, how many were throttled, how long it was from the first write to the last (milliseconds), and the margin of each
account's first position.
"""

import argparse
import json
import sys
from collections import Counter

from benchmarks.trouble import FirstWrites
from reconcile.clock import SystemClock
from reconcile.sandbox.demo import fleet, fleet_symbol
from reconcile.sandbox.faults import NoFaults
from reconcile.sandbox.http import FRESH, Answer, Lag, Request, Responder
from reconcile.sandbox.registry import simulated
from reconcile.sandbox.server import SandboxServer
from reconcile.sandbox.venue import Venue

OPENED_BEFORE_MS = 3_600_000
"""The positions are an hour old: their opening is not among the movements that settle a doubt."""


class Counting:
    """A dialect, and what it was asked."""

    def __init__(self, inner: Responder) -> None:
        self._inner = inner
        self._methods: Counter[str] = Counter()
        self._throttled = 0
        self._writes: list[int] = []

    def handle(self, request: Request, now_ms: int, lag: Lag = FRESH) -> Answer:
        """Pass the request on, and count it."""
        answer = self._inner.handle(request, now_ms, lag)
        self._methods[request.method] += 1
        self._throttled += answer.status in {418, 429} or b'"50011"' in answer.body
        if request.method != "GET":
            self._writes.append(now_ms)
        return answer

    def seen(self) -> dict[str, object]:
        """What there was so far."""
        span = self._writes[-1] - self._writes[0] if self._writes else 0
        return {"requests": self._methods, "throttled": self._throttled, "writing_ms": span}


def main() -> None:
    """Serve until nobody listens any more."""
    options = _options()
    row = simulated(options.exchange)
    accounts = list(
        fleet(
            options.exchange,
            row.rules,
            accounts=options.accounts,
            positions=options.positions,
            now_ms=SystemClock().wall_ms() - OPENED_BEFORE_MS,
            keep_ms=60_000 if options.trouble else 0,
        )
    )
    dialect = Counting(row.dialect(accounts, row.switched(json.loads(options.switches))))
    faults = FirstWrites([account.key for account in accounts]) if options.trouble else NoFaults()
    with SandboxServer(Venue(dialect=dialect, latency_ms=options.latency, faults=faults)) as server:
        keys = [
            {"key": account.key, "secret": account.secret, "passphrase": account.passphrase} for account in accounts
        ]
        print(json.dumps({"url": server.url, "accounts": keys}), flush=True)
        sys.stdin.read()
    symbol = fleet_symbol(options.exchange, 1)
    margins = [str(account.books.margin(symbol, "long")) for account in accounts]
    print(json.dumps({**dialect.seen(), "margins": margins}), flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--exchange", default="binance")
    parser.add_argument("--accounts", type=int, default=1)
    parser.add_argument("--positions", type=int, default=10)
    parser.add_argument("--latency", type=int, default=0, help="a whole round trip, milliseconds")
    parser.add_argument("--switches", default="{}", help="the exchange's switches that are set otherwise, as JSON")
    parser.add_argument("--trouble", action="store_true", help="let the first write of each account go wrong")
    return parser.parse_args()


if __name__ == "__main__":
    main()
