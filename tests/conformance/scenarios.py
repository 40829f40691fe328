"""The list of scenarios, written once: what is declared, what happens to the writes, and how the books end.

An end is the books' own: margins by place, the program's exit code, and how many writes were sent. ``again`` is the
exit code of a second apply, which sends nothing unless ``again_writes`` says otherwise.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from reconcile.sandbox.books import Books
from reconcile.sandbox.faults import REPLIES, Ending, Fault
from reconcile.sandbox.http import Answer, answer
from reconcile.sandbox.registry import simulated
from reconcile.sandbox.values import HEDGE, HUMAN, ISOLATED
from tests.conformance.stage import Happening, Names

D = Decimal
Targets = Callable[[Names], Mapping[str, str | None]]
Arrange = Callable[[Names, Books, int], object]
Happenings = Callable[[Names], tuple[Happening, ...]]


def _nothing(_: Names) -> tuple[Happening, ...]:
    return ()


def _as_it_is(_names: Names, _books: Books, _now_ms: int) -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """``margins`` are what the books must hold in the end; a place that is not named holds what it held."""

    name: str
    targets: Targets
    margins: Targets = field(default=lambda _names: {})
    arrange: Arrange = _as_it_is
    happenings: Happenings = _nothing
    code: int = 0
    writes: int | None = 0
    again: int | None = None
    again_writes: int = 0
    modes: tuple[str, ...] = ("hedge", "one-way")
    exchanges: tuple[str, ...] = ("binance", "okx", "bitget")
    over_sockets: bool = True
    auto_add: bool | None = None

    def fits(self, names: Names) -> bool:
        """Whether the exchange and the mode have what it is about."""
        return names.exchange in self.exchanges and names.mode in self.modes


def _to(first: str | None = None, second: str | None = None) -> Targets:
    """Declare, or expect, these margins of the two open isolated positions."""
    return lambda names: {
        place: margin for place, margin in ((names.first, first), (names.second, second)) if margin is not None
    }


def _every(*happenings: Happening) -> Happenings:
    return lambda _names: happenings


LOST_BEFORE = Fault(arrives_ms=(), ending=Ending.LOST)
LOST_AFTER = Fault(ending=Ending.LOST)
NEVER_LEFT = Fault(arrives_ms=(), ending=Ending.REFUSED)
CUT = Fault(ending=Ending.CUT)

_THROTTLES: Mapping[str, tuple[Answer, ...]] = {
    "binance": (answer(429, {"code": -1003, "msg": "Too many requests."}, {"retry-after": "1"}),),
    "okx": (
        answer(200, {"code": "50011", "msg": "Too Many Requests", "data": []}),
        answer(429, {"msg": "Too Many Requests", "code": "50011"}),
    ),
    "bitget": (answer(429, {"code": "429", "msg": "Too Many Requests", "requestTime": 1, "data": None}),),
}
_LATE: Mapping[str, Answer] = {
    "binance": answer(400, {"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}),
    "okx": answer(401, {"msg": "Timestamp request expired", "code": "50102"}),
    "bitget": answer(400, {"code": "40008", "msg": "Request timestamp expired", "requestTime": 1, "data": None}),
}


def _throttled(names: Names) -> tuple[Happening, ...]:
    return tuple(Fault(arrives_ms=(), reply=reply) for reply in _THROTTLES[names.exchange])


def _wrong_clock(names: Names) -> tuple[Happening, ...]:
    return (Fault(arrives_ms=(), reply=_LATE[names.exchange]),)


def _late(names: Names) -> tuple[Happening, ...]:
    """The write arrives just before its validity ends; its sender has long given up."""
    return (Fault(arrives_ms=(simulated(names.exchange).validity_ms - 100,), ending=Ending.TIMEOUT),)


def _too_late(names: Names) -> tuple[Happening, ...]:
    return (Fault(arrives_ms=(simulated(names.exchange).validity_ms + 100,), ending=Ending.TIMEOUT),)


def _poor(books: Books, now_ms: int) -> None:
    books.deposit("USDT", -D(900), now_ms=now_ms)


def _losing(names: Names) -> tuple[Happening, ...]:
    def act(books: Books, now_ms: int) -> None:
        books.set_mark(names.symbol(0), D(88), now_ms=now_ms)

    return (act,)


def _closing(names: Names) -> tuple[Happening, ...]:
    def act(books: Books, now_ms: int) -> None:
        books.close_position(names.symbol(0), names.side("long"), now_ms=now_ms, margin_type=ISOLATED)

    return (act,)


def _same_by_hand(names: Names) -> tuple[Happening, ...]:
    """While ours is lost, a person adds the very same elsewhere on the account."""

    def act(books: Books, now_ms: int) -> None:
        books.move_margin(names.symbol(1), names.side("short"), D(200), now_ms=now_ms, by=HUMAN)

    return (act,)


def _auto_add(names: Names, books: Books, now_ms: int) -> None:
    books.set_auto_add(names.symbol(0), (names.side("long"),), now_ms=now_ms)


def _orders(names: Names, books: Books, now_ms: int) -> None:
    books.set_orders(names.symbol(3), now_ms=now_ms, open_orders=1)


SYMBOL_TYPES = ("binance", "bitget")

SCENARIOS: tuple[Scenario, ...] = (
    Scenario(name="add", targets=_to("500"), margins=_to("500"), writes=1),
    Scenario(name="reduce", targets=_to("200"), margins=_to("200"), writes=1),
    Scenario(name="both", targets=_to("500", "250"), margins=_to("500", "250"), writes=2),
    Scenario(name="in sync", targets=_to("300", "300.005")),
    Scenario(
        name="type change",
        targets=lambda names: {names.flat_crossed: None},
        exchanges=SYMBOL_TYPES,
        writes=1,
    ),
    Scenario(
        name="type expected of what is opened next",
        targets=lambda names: {names.flat_crossed: None},
        exchanges=("okx",),
    ),
    Scenario(name="waiting", targets=lambda names: {names.flat: "300"}),
    Scenario(name="blocked by an open position", targets=lambda names: {names.crossed: None}, code=3, again=3),
    Scenario(
        name="blocked by resting orders",
        targets=lambda names: {names.flat_crossed: None},
        arrange=_orders,
        exchanges=SYMBOL_TYPES,
        code=3,
        again=3,
    ),
    Scenario(
        name="blocked by automatic margin",
        targets=_to("500"),
        arrange=_auto_add,
        exchanges=SYMBOL_TYPES,
        code=3,
        again=3,
    ),
    Scenario(
        name="automatic margin is switched off before margin moves",
        targets=_to("500"),
        margins=_to("500"),
        arrange=_auto_add,
        exchanges=("bitget",),
        writes=2,
        auto_add=False,
    ),
    Scenario(
        name="the switch of automatic margin is lost after its effect",
        targets=_to("500"),
        margins=_to("500"),
        arrange=_auto_add,
        happenings=_every(LOST_AFTER),
        exchanges=("bitget",),
        writes=2,
        auto_add=False,
        over_sockets=False,  # the fence and then a grace, in real time
    ),
    Scenario(
        name="automatic margin that no call switches",
        targets=_to("500"),
        arrange=_auto_add,
        exchanges=("binance",),
        code=3,
        again=3,
        auto_add=False,
    ),
    Scenario(name="blocked by what must stay", targets=_to("150", "50"), margins=_to("150"), code=3, writes=1, again=3),
    Scenario(name="unmanaged is left alone", targets=_to("500"), margins=_to("500"), writes=1),
    Scenario(
        name="two sides of one symbol",
        targets=lambda names: {names.first: "500", names.other_side: "250"},
        margins=lambda names: {names.first: "500", names.other_side: "250"},
        modes=(HEDGE,),
        writes=2,
    ),
    Scenario(
        name="lost before its effect",
        targets=_to("500"),
        margins=_to("500"),
        happenings=_every(LOST_BEFORE),
        writes=2,
    ),
    Scenario(
        name="lost after its effect",
        targets=_to("500"),
        margins=_to("500"),
        happenings=_every(LOST_AFTER),
        writes=1,
    ),
    Scenario(
        name="a reduction lost after its effect",
        targets=_to("200"),
        margins=_to("200"),
        happenings=_every(LOST_AFTER),
        writes=1,
    ),
    Scenario(name="an answer cut short", targets=_to("500"), margins=_to("500"), happenings=_every(CUT), writes=1),
    Scenario(
        name="never left",
        targets=_to("500"),
        margins=_to("500"),
        happenings=_every(NEVER_LEFT),
        writes=2,
        over_sockets=False,  # a server cannot refuse a connection it has accepted
    ),
    Scenario(
        name="late",
        targets=_to("500"),
        margins=_to("500"),
        happenings=_late,
        writes=1,
        over_sockets=False,
    ),
    Scenario(
        name="too late",
        targets=_to("500"),
        margins=_to("500"),
        happenings=_too_late,
        writes=2,
        over_sockets=False,
    ),
    Scenario(
        name="lost twice, then done",
        targets=_to("500"),
        margins=_to("500"),
        happenings=_every(LOST_BEFORE, LOST_BEFORE, LOST_AFTER),
        writes=3,
        over_sockets=False,
    ),
    Scenario(
        name="throttled",
        targets=_to("500"),
        margins=_to("500"),
        happenings=_throttled,
        writes=None,
        over_sockets=False,  # a minute's wait, where the exchange does not say how long
    ),
    Scenario(name="clock error", targets=_to("500"), margins=_to("500"), happenings=_wrong_clock, writes=2),
    Scenario(
        name="insufficient funds",
        targets=_to("500"),
        happenings=_every(_poor),
        code=3,
        writes=1,
        again=4,
    ),
    Scenario(
        name="over removable",
        targets=_to("200"),
        happenings=_losing,
        code=3,
        writes=1,
        again=3,
    ),
    Scenario(
        name="position closed between plan and apply",
        targets=_to("500"),
        margins=_to("0"),
        happenings=_closing,
        code=3,
        writes=1,
        again=0,
    ),
    Scenario(
        name="somebody else adds the same elsewhere",
        targets=_to("500"),
        margins=_to("500", "500"),
        happenings=_same_by_hand,
        writes=1,
    ),
)


def odd_answers(exchange: str) -> dict[str, Answer]:
    """Every answer that leaves open whether there was an effect."""
    return {**REPLIES, **simulated(exchange).replies}
