"""Requests to Binance: their form, their cost, and the meaning of their answers. Pure.

Every request counts against one weight per IP address and minute (Binance docs, USD-M, General Info). Every answer
gives the used weight in ``X-MBX-USED-WEIGHT-1M``, which takes precedence over the weights here.
"""

import re
from collections.abc import Mapping

from reconcile.exchanges.base import Accepted
from reconcile.exchanges.binance import codes
from reconcile.exchanges.binance.signing import public, signed
from reconcile.exchanges.http.answers import read_answer, write_answer
from reconcile.exchanges.http.limits import Charge, CountedBy, Limit
from reconcile.exchanges.http.rows import Row
from reconcile.exchanges.http.transport import Charges, Params, Setup
from reconcile.exchanges.http.wire import HttpRequest, HttpResponse
from reconcile.money import whole

READ_WINDOW_MS = 5_000
"""``recvWindow`` of reads; that of writes is the traits' ``validity_ms``."""
WEIGHT = Limit(name="Binance request weight", counted_by=CountedBy.IP, capacity=2400, window_ms=60_000, reserve=60)
"""The reserve is room for one look that settles doubt: ledger with funding, positions with types, balance."""
_WEIGHT = re.compile(r"[0-9]{1,8}")


def weight_of(weight: int) -> Charges:
    """The charge of a request with that weight."""
    return (Charge(limit=WEIGHT, cost=weight),)


class BinanceDialect:
    """The form of requests to Binance."""

    time_path = "/fapi/v1/time"
    time_charges = weight_of(1)

    def __init__(self, setup: Setup) -> None:
        self._url = setup.url
        self._credentials = setup.credentials

    def get(self, path: str, params: Params, *, signed_at_ms: int | None) -> HttpRequest:
        """See ``transport.Dialect``."""
        if signed_at_ms is None:
            return public(self._url, path, params)
        return self.signed("GET", path, params, signed_at_ms=signed_at_ms, valid_ms=READ_WINDOW_MS)

    def signed(self, method: str, path: str, params: Params, *, signed_at_ms: int, valid_ms: int) -> HttpRequest:
        """Any signed request."""
        return signed(
            method,
            self._url,
            path,
            params,
            credentials=self._credentials,
            signed_at_ms=signed_at_ms,
            valid_ms=valid_ms,
        )

    def read(self, what: str, response: HttpResponse, *, now_ms: int | None) -> object:
        """See ``transport.Dialect``."""
        return read_answer(what, response, codes.READ, now_ms=now_ms)

    def served_ms(self, payload: object) -> int:
        """See ``transport.Dialect``."""
        return Row("asking Binance for its time", payload).time("serverTime")

    def used(self, headers: Mapping[str, str]) -> Mapping[Limit, int]:
        """The used weight of this minute; the testnet has sent -1."""
        text = headers.get("x-mbx-used-weight-1m", "")
        return {WEIGHT: whole(text)} if _WEIGHT.fullmatch(text) else {}


def classify(call: str, response: HttpResponse, *, now_ms: int | None = None) -> Accepted:
    """Classify the answer to a write (``codes.MARGIN`` or ``codes.TYPE``); raises Refused or InDoubt."""
    return write_answer(f"calling {call}", response, codes.WRITE[call], now_ms=now_ms)
