"""An event loop whose time only moves when nothing else can, a clock on it, and a wire that answers as it is told."""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Coroutine
from decimal import Decimal
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

from reconcile.connect.secrets import Credentials
from reconcile.exchanges.catalogue import TRAITS
from reconcile.exchanges.http.limits import Limits
from reconcile.exchanges.http.transport import Setup
from reconcile.exchanges.http.wire import HttpRequest, HttpResponse

T = TypeVar("T")
SERVED_MS = 1_767_225_600_000
"""The exchange's time when the virtual clock shows 0."""
KEY, SECRET = "key-that-must-not-show", "secret-that-must-not-show"


class VirtualLoop(asyncio.SelectorEventLoop):
    """Sleeps pass at once."""

    def __init__(self) -> None:
        super().__init__()
        self._virtual = 0.0

    def time(self) -> float:
        return self._virtual

    def _run_once(self) -> None:
        ready, scheduled = self._ready, self._scheduled  # type: ignore[attr-defined]
        if not ready and scheduled:
            self._virtual = max(self._virtual, scheduled[0]._when)
        super()._run_once()  # type: ignore[misc]


class VirtualClock:
    """The virtual loop's time."""

    def monotonic_ms(self) -> int:
        return round(asyncio.get_running_loop().time() * 1000)

    def wall_ms(self) -> int:
        return 0

    async def sleep(self, milliseconds: int) -> None:
        await asyncio.sleep(milliseconds / 1000)


def run(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run to the end under virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main())


def answer(value: object, status: int = 200, **headers: str) -> HttpResponse:
    """A JSON answer; header names with _ for -."""
    return HttpResponse(
        status=status,
        headers={name.replace("_", "-"): text for name, text in headers.items()},
        body=json.dumps(value, default=_number).encode(),
    )


def _number(value: object) -> float:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError


def path_of(request: HttpRequest) -> str:
    return urlsplit(request.url).path


def params_of(request: HttpRequest) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(request.url).query, strict_parsing=True))


class FakeWire:
    """Answers by path: a response, an exception or a function of the request. A list is used up, its last stays."""

    def __init__(self, clock: VirtualClock, latency_ms: int = 20) -> None:
        self.clock = clock
        self.latency_ms = latency_ms
        self.sent: list[tuple[int, HttpRequest]] = []
        self.answers: dict[str, Any] = {"/fapi/v1/time": self._time}

    def paths(self) -> list[str]:
        """What was asked for, in order, without the questions for the time."""
        return [path_of(request) for _, request in self.sent if path_of(request) != "/fapi/v1/time"]

    def _time(self, _: HttpRequest) -> HttpResponse:
        return answer({"serverTime": SERVED_MS + self.clock.monotonic_ms()})

    async def send(self, request: HttpRequest) -> HttpResponse:
        self.sent.append((self.clock.monotonic_ms(), request))
        await self.clock.sleep(self.latency_ms // 2)
        told = self.answers[path_of(request)]
        if isinstance(told, list):
            told = told.pop(0) if len(told) > 1 else told[0]
        found = told(request) if callable(told) else told
        if isinstance(found, Awaitable):
            found = await found
        await self.clock.sleep(self.latency_ms - self.latency_ms // 2)
        if isinstance(found, Exception):
            raise found
        if not isinstance(found, HttpResponse):
            raise TypeError(found)
        return found


def setup(wire: FakeWire, *, limits: Limits | None = None, key: str = KEY) -> Setup:
    """A Binance account behind that wire."""
    return Setup(
        traits=TRAITS["binance"],
        credentials=Credentials(key=key, secret=SECRET),
        url="https://fapi.binance.com",
        demo=False,
        product=None,
        wire=wire,
        clock=wire.clock,
        limits=limits or Limits(wire.clock),
        dice=random.Random(7),
    )
