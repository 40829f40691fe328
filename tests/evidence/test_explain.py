"""What moved between two looks adds up, and is told by what the books of the exchange have as its cause."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconcile.audit.comparing import compare
from reconcile.audit.reading import runs
from reconcile.evidence.attribution import UNEXPLAINED
from reconcile.evidence.explain import CLOSED, MOST_UNSURE, OPENED, RESIZED, Interval, account, accounts
from reconcile.exchanges.http.wire import HttpRequest
from reconcile.journal.identity import is_notes
from reconcile.journal.records import Intent, IntentStatus, UnreportedStep
from reconcile.model.account import DesiredAccount
from reconcile.model.ledger import Cause, LedgerRow
from reconcile.model.reports import Run
from reconcile.sandbox.faults import Ending, Fault, Scripted
from reconcile.sandbox.values import HUMAN, Denied
from tests.kit.desk import D, at, intent, row
from tests.kit.scene import Scene, play
from tests.simulation.world import declared

# By the books.

PLACES: Mapping[str, tuple[str, ...]] = {
    "binance": ("BTCUSDT.long", "BTCUSDT.short", "ETHUSDT.long"),
    "okx": ("BTC-USDT-SWAP.long", "BTC-USDT-SWAP.short", "ETH-USDT-SWAP.long"),
    "bitget": ("BTCUSDT.long", "BTCUSDT.short", "ETHUSDT.long"),
}
EXTRA: Mapping[str, tuple[str, str]] = {
    "binance": ("XRPUSDT", "LINKUSDT"),
    "okx": ("XRP-USDT-SWAP", "LINK-USDT-SWAP"),
    "bitget": ("XRPUSDT", "LINKUSDT"),
}
"""A symbol that may be opened, and one that may be closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happens between two runs, or in front of the n-th request of one (``during``)."""

    kind: str
    place: int = 0
    amount: int = 0
    during: int | None = None


def events() -> st.SearchStrategy[Event]:
    moved = st.builds(
        Event,
        kind=st.sampled_from(["hand", "fund"]),
        place=st.integers(0, 2),
        amount=st.integers(-30, 30),
        during=st.none() | st.integers(0, 8),
    )
    return moved | st.builds(Event, kind=st.sampled_from(["open", "close", "apply", "lost", "killed"]))


class Story:
    """Applies of one account, with other hands at work between and during them."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.count = 0
        self.margins = {place: int(scene.margin(place)) for place in PLACES[scene.exchange]}

    def desired(self) -> DesiredAccount:
        made = declared(self.scene.exchange, {place: str(margin) for place, margin in self.margins.items()})
        wide = replace(made.targets[0].tolerance, value=Decimal(12))
        return replace(made, targets=tuple(replace(target, tolerance=wide) for target in made.targets))

    def happen(self, event: Event) -> None:
        """Amounts whose sums cannot be mistaken for each other: each has a digit of its own."""
        self.count += 1
        place = PLACES[self.scene.exchange][event.place]
        symbol, _, side = place.rpartition(".")
        amount = Decimal(event.amount) + Decimal(1 << (self.count % 13)) / 10_000
        books, now_ms = self.scene.place.books, self.scene.now_ms()
        opened, closed = EXTRA[self.scene.exchange]
        with suppress(Denied):
            if event.kind == "hand":
                books.move_margin(symbol, side, amount, now_ms=now_ms, by=HUMAN)
            elif event.kind == "fund":
                books.fund(symbol, side, amount, now_ms=now_ms)
            elif event.kind == "open":
                books.open_position(opened, "long", Decimal(100), now_ms=now_ms, margin=Decimal(40) + amount)
            elif event.kind == "close":
                books.close_position(closed, "long", now_ms=now_ms)

    async def apply(self, during: Sequence[Event], *, killed: bool) -> None:
        process = self.scene.process()
        left = list(during)
        numbers = iter(range(1_000))
        posted: list[HttpRequest] = []

        def before(request: HttpRequest) -> None:
            number = next(numbers)
            for event in [event for event in left if event.during == number]:
                left.remove(event)
                self.happen(event)
            if killed and posted:
                self.scene.place.disk.kill(process.disk)
                raise asyncio.CancelledError
            if request.method == "POST":
                posted.append(request)

        process.before = before
        with suppress(asyncio.CancelledError):
            await self.scene.apply(self.desired(), process)
        for event in left:
            self.happen(event)
            await self.scene.pass_time(20_000)


async def played(scene: Scene, told: Sequence[Event]) -> dict[str, Decimal]:
    """The margins at the beginning."""
    story, start = Story(scene), margins(scene)
    await story.apply((), killed=False)
    waiting: list[Event] = []
    for number, event in enumerate(told):
        await scene.pass_time(20_000)
        if event.kind in {"apply", "lost", "killed"}:
            first = next(iter(story.margins))
            story.margins[first] += 40 + number
            if event.kind == "lost":
                scene.place.venue.faults = Scripted([Fault(ending=Ending.LOST)], method="POST")
            await story.apply(waiting, killed=event.kind == "killed")
            waiting = []
        elif event.during is not None:
            waiting.append(event)
        else:
            story.happen(event)
    await scene.pass_time(20_000)
    await story.apply(waiting, killed=False)
    await scene.pass_time(20_000)
    await story.apply((), killed=False)
    return start


CAUSES = {"funding": "funding", "fill": "fill"}


def margins(scene: Scene) -> dict[str, Decimal]:
    positions = scene.place.books.positions.values()
    return {f"{each.symbol}.{each.side}": each.margin for each in positions if each.margin_type == "isolated"}


def seen_until(scene: Scene, start: Mapping[str, Decimal], run: Run) -> int:
    """When a run's last look was served: it was sent a little earlier, and nothing else tells when."""
    places = {*PLACES[scene.exchange], *(f"{symbol}.long" for symbol in EXTRA[scene.exchange])}
    live = {place: each.isolated_margin for place, each in (run.live or {}).items() if place in places}
    found = {place: margin for place, margin in start.items() if place in places}
    last_ms = run.live_at_ms or 0
    for effect in scene.place.books.effects:
        if effect.time_ms > last_ms and {place: margin for place, margin in found.items() if margin} == live:
            return last_ms
        if effect.margin_type == "isolated":
            found[f"{effect.symbol}.{effect.side}"] = (
                effect.margin if effect.cause != "fill" or effect.change > 0 else D(0)
            )
            last_ms = max(last_ms, effect.time_ms)
    return last_ms


def by_books(scene: Scene, since_ms: int, until_ms: int) -> dict[str, dict[str, Decimal]]:
    """What the exchange's own books have, by address and cause."""
    sums: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for effect in scene.place.books.effects:
        if since_ms < effect.time_ms <= until_ms and effect.margin_type == "isolated":
            cause = CAUSES.get(effect.cause, "manual" if effect.actor == HUMAN.actor else "reconcile")
            sums[f"{effect.symbol}.{effect.side}"][cause] += effect.change
    return {place: {cause: amount for cause, amount in each.items() if amount} for place, each in sums.items()}


FILLS = {OPENED: "fill", CLOSED: "fill", RESIZED: "fill", "fills": "fill"}


@pytest.mark.parametrize("exchange", PLACES)
@given(told=st.lists(events(), max_size=9))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_movement_between_two_runs_is_told_as_the_books_have_it(exchange: str, told: list[Event]) -> None:
    start, scene = play(lambda scene: played(scene, told), Scene(exchange=exchange))
    store = scene.world().store
    (identity,) = (name for name in store.identities() if not is_notes(name))
    looked = [run for run in runs(store.lines(identity), identity=identity) if run.live_at_ms is not None]

    for early, late in [*pairwise(looked), (looked[0], looked[-1])]:
        (found,) = compare(store, early.run_id, late.run_id)
        sums: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
        for change in found.addresses:
            for movement in change.movements:
                cause = FILLS.get(movement.cause, movement.cause)
                sums[change.address][cause] += movement.change or Decimal(0)
            whole = (change.before or Decimal(0)) + sum(sums[change.address].values(), Decimal(0))
            assert whole == (change.after or Decimal(0))
        shown = {place: {cause: amount for cause, amount in each.items() if amount} for place, each in sums.items()}
        assert {place: each for place, each in shown.items() if each} == {
            place: each
            for place, each in by_books(scene, seen_until(scene, start, early), seen_until(scene, start, late)).items()
            if each
        }


# Case by case.

SINCE, UNTIL = 1_000_000, 2_000_000


def interval(
    before: str | None = "1500",
    after: str | None = "1500",
    *,
    place: str = "BTCUSDT.long",
    shared: bool = False,
    sent: Sequence[UnreportedStep] = (),
) -> Interval:
    return Interval(
        address=at(place),
        asset="USDT",
        before=None if before is None else D(before),
        after=None if after is None else D(after),
        since_ms=SINCE,
        until_ms=UNTIL,
        lag_ms=5_000,
        step_size=D("1e-8"),
        shared=shared,
        sent=tuple(sent),
    )


def added(
    known: IntentStatus | None = IntentStatus.APPLIED, *, is_sure: bool = True, claim: str | None = None
) -> UnreportedStep:
    """300, signed when the first look was taken."""
    return UnreportedStep(intent=intent(), known=known, claim=claim, is_sure=is_sure)


FUNDED = row("-4", "f", time_ms=1_500_000, cause=Cause.FUNDING)
OURS = row("300", "o", time_ms=1_000_100)

Case = tuple[Interval, Sequence[LedgerRow], int, list[tuple[str, str]]]
"""An interval, the ledger, how many of our steps count, and the causes."""
CASES: Mapping[str, Case] = {
    "nothing": (interval(), (), 0, []),
    "only our step": (interval(after="1800", sent=[added()]), (), 1, []),
    "our step, its row, and funding": (
        interval(after="1796", sent=[added()]),
        (OURS, FUNDED),
        1,
        [("funding", "-4")],
    ),
    "our step, booked as two rows, and what the ledger does not have": (
        interval(after="1790", sent=[added()]),
        (row("100", "a", time_ms=1_000_050), row("200", "b", time_ms=1_000_100), FUNDED),
        1,
        [("funding", "-4"), (UNEXPLAINED, "-6")],
    ),
    "our step by the row it claims": (
        interval(after="2100", sent=[added(claim="b")]),
        (row("300", "a", time_ms=1_000_050), row("300", "b", time_ms=1_000_100)),
        1,
        [("manual", "300")],
    ),
    "a step said yes to that the look does not show yet": (interval(sent=[added(IntentStatus.ACCEPTED)]), (), 0, []),
    "a step said yes to that the look shows": (interval(after="1800", sent=[added(IntentStatus.ACCEPTED)]), (), 1, []),
    "an open step that the ledger has": (
        interval(after="1796", sent=[added(None)]),
        (OURS, FUNDED),
        1,
        [("funding", "-4")],
    ),
    "an applied step that the first look had seen": (interval(sent=[added(is_sure=False)]), (), 0, []),
    "a step that somebody says happened and did not": (
        interval(after="1496", sent=[added(is_sure=False)]),
        (FUNDED,),
        0,
        [("funding", "-4")],
    ),
    "a row that the first look had seen": (
        interval(after="1496"),
        (row("10", "m", time_ms=SINCE - 3_000), FUNDED),
        0,
        [("funding", "-4")],
    ),
    "rows that the first look had seen and that come to nothing": (
        interval(after="1496"),
        (row("13", "m", time_ms=SINCE - 3_000), row("-13", "n", time_ms=SINCE - 2_000), FUNDED),
        0,
        [("funding", "-4")],
    ),
    "a row that the first look had not seen yet": (
        interval(after="1506"),
        (row("10", "m", time_ms=SINCE - 100), FUNDED),
        0,
        [("manual", "10"), ("funding", "-4")],
    ),
    "a row that the last look had not seen yet": (
        interval(after="1496"),
        (FUNDED, row("10", "m", time_ms=UNTIL - 100)),
        0,
        [("funding", "-4")],
    ),
    "a row dated a little after the last look": (
        interval(after="1510"),
        (row("10", "m", time_ms=UNTIL + 400),),
        0,
        [("manual", "10")],
    ),
    "what the ledger does not have": (interval(after="1490"), (FUNDED,), 0, [("funding", "-4"), (UNEXPLAINED, "-6")]),
    "nothing asked": (interval(after="1490"), (), 0, [(UNEXPLAINED, "-10")]),
    "a position that came": (interval(None, "96"), (FUNDED,), 0, [("funding", "-4"), (OPENED, "100")]),
    "a position that came by a fill": (
        interval(None, "96"),
        (row("100", "t", time_ms=1_400_000, cause=Cause.FILL), FUNDED),
        0,
        [("funding", "-4"), (OPENED, "100")],
    ),
    "a position that has another size": (
        replace(interval(after="1600"), resized=True),
        (FUNDED,),
        0,
        [("funding", "-4"), (RESIZED, "104")],
    ),
    "a position that went": (interval("100", None), (FUNDED,), 0, [("funding", "-4"), (CLOSED, "-96")]),
    "another side's row": (
        interval(after="1496", shared=True),
        (row("7", "s", time_ms=1_400_000, side="short"), FUNDED),
        0,
        [("funding", "-4")],
    ),
    "rows without a side, of which some are ours": (
        interval(after="1496", shared=True),
        (row("7", "s", time_ms=1_400_000, side=None), replace(FUNDED, side=None)),
        0,
        [("funding", "-4")],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_an_interval_is_told_by_our_steps_and_by_causes(name: str) -> None:
    asked, rows, ours, causes = CASES[name]

    found = account(asked, rows)

    assert (len(found.ours), [(str(share.cause), str(share.amount)) for share in found.shares]) == (ours, causes)
    assert sum((share.amount for share in found.shares), D(300) * ours) == asked.change


def test_many_rows_are_told_summed_by_cause() -> None:
    rows = [row("-1", f"f{number}", time_ms=1_100_000 + number, cause=Cause.FUNDING) for number in range(200)]

    found = account(interval(after="1300"), rows)

    assert [(str(share.cause), share.amount) for share in found.shares] == [("funding", D(-200))]


def test_rows_without_a_side_are_given_to_the_address_whose_sums_they_make_come_out() -> None:
    rows = [
        row("0.2", "a", time_ms=1_400_000, side=None),
        row("12", "b", time_ms=1_400_001, side=None),
        row("300", "c", time_ms=1_000_100, side=None),
        row("-300", "d", time_ms=1_400_002, side=None),
    ]
    long = interval(after="1500.2", shared=True)
    short = interval(after="1512", place="BTCUSDT.short", shared=True, sent=[replace(added(), intent=on_short())])

    for order in ([long, short], [short, long]):
        found = accounts(order, rows)

        assert [share.amount for share in found[long.address].shares] == [D("0.2")]
        assert [share.amount for share in found[short.address].shares] == [D(12), D(-300)]
        assert len(found[short.address].ours) == 1


def on_short() -> Intent:
    return intent(place="BTCUSDT.short")


def test_a_read_that_came_after_the_look_is_cut_where_the_sums_come_out() -> None:
    rows = [row("1", "a", time_ms=UNTIL + 20), row("2", "b", time_ms=UNTIL + 40)]

    found = account(interval(after="1501"), rows)

    assert [share.amount for share in found.shares] == [D(1)]


@pytest.mark.parametrize("exchange", ["okx", "bitget"])
def test_any_number_of_symbols_costs_the_same_requests_where_bills_are_the_accounts(exchange: str) -> None:
    async def act(scene: Scene) -> list[int]:
        story, counts = Story(scene), []
        await story.apply((), killed=False)
        for places in ((0,), (0, 1, 2)):
            for place in places:
                story.happen(Event(kind="hand", place=place, amount=1))
            await scene.pass_time(20_000)
            process = scene.process()
            seen: list[str] = []
            process.before = lambda request, seen=seen: seen.append(request.url)
            result = await scene.apply(story.desired(), process)
            assert result.accounts[0].steps == ()
            counts.append(sum("bill" in url for url in seen))
        return counts

    (one, three), _ = play(act, Scene(exchange=exchange))

    assert 0 < three == one


def test_addresses_of_one_symbol_that_no_order_explains_keep_what_is_unexplained() -> None:
    both = [interval(after="1810", sent=[added()]), interval(after="1520", place="BTCUSDT.short")]
    found = accounts(both, ())
    shown = {str(place): [(share.cause, share.amount) for share in told.shares] for place, told in found.items()}
    assert shown == {"BTCUSDT.long": [(UNEXPLAINED, D("10"))], "BTCUSDT.short": [(UNEXPLAINED, D("20"))]}
    assert accounts([], ()) == {}


@pytest.mark.parametrize("count", [1, MOST_UNSURE + 1])
def test_what_no_choice_of_unsure_steps_explains_stays_unexplained(count: int) -> None:
    unsure = [added(None) for _ in range(count)]
    found = account(interval(after="1510", sent=unsure), ())
    assert [(share.cause, share.amount) for share in found.shares] == [(UNEXPLAINED, D("10"))]
