"""The free balance shared by all lanes: what a look may lack counts, unless our own arithmetic rules that out.

The worlds of the last part answer and read late, and hold every addition against the books.
"""

import asyncio
import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.journal.records import Intent, IntentStatus, Outcome, Resolved
from reconcile.journal.state import JournalState
from reconcile.protocol.funds import Reservation, addition_of
from reconcile.protocol.timing import LATE_BALANCE_GRACES, LONG_AFTER_GRACES
from tests.kit import journals
from tests.kit.desk import intent
from tests.kit.fakes import run

GRACE_MS = 100
LATE_MS = LATE_BALANCE_GRACES * GRACE_MS
FREE = Decimal(1000)
KEYS = ("a", "b", "c")
D = Decimal


def reserving(reckoned: str | None = None, *, minimum: Callable[[str], Decimal | None] = lambda _: None) -> Reservation:
    """A reservation beside this sum of our own arithmetic."""
    own = None if reckoned is None else D(reckoned)
    return Reservation(grace_ms=GRACE_MS, minimum=minimum, reckoned=lambda _: own)


# What counts.


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """One thing that happens to an addition, at a time."""

    what: str
    key: str
    amount: int
    at_ms: int


DEEDS = st.builds(
    Deed,
    what=st.sampled_from(("take", "done", "release", "look")),
    key=st.sampled_from(KEYS),
    amount=st.integers(1, 50),
    at_ms=st.integers(0, 400),
)


def counted_anew(deeds: Sequence[Deed], sent_at_ms: int, late_ms: int) -> Decimal:
    """What is free by the rule itself: every addition looked at, one by one."""
    taken: dict[str, tuple[int, int | None]] = {}
    for deed in deeds:
        match deed.what:
            case "take":
                taken[deed.key] = (deed.amount, None)
            case "done" if deed.key in taken:
                taken[deed.key] = (taken[deed.key][0], deed.at_ms)
            case "release":
                taken.pop(deed.key, None)
    unseen = [amount for amount, effect in taken.values() if effect is None or sent_at_ms <= effect + late_ms]
    return FREE - sum(unseen)


@pytest.mark.parametrize(
    ("reckoned", "late_ms", "slower"),
    [
        pytest.param(None, LATE_MS, LATE_BALANCE_GRACES, id="own arithmetic unknown: as late as may be"),
        pytest.param("1e9", GRACE_MS, 1, id="own arithmetic allows it: within the grace"),
    ],
)
@given(deeds=st.lists(DEEDS, max_size=40))
def test_what_is_free_is_what_the_rule_says_whatever_happened_in_whatever_order(
    reckoned: str | None, late_ms: int, slower: int, deeds: list[Deed]
) -> None:
    reservation = reserving(reckoned)
    deeds = [replace(deed, at_ms=deed.at_ms * slower) for deed in deeds]
    for number, deed in enumerate(deeds):
        match deed.what:
            case "take":
                reservation.take(deed.key, "USDT", D(deed.amount))
            case "done":
                reservation.done(deed.key, effect_ms=deed.at_ms)
            case "release":
                reservation.release(deed.key)
            case _:
                free = reservation.free("USDT", FREE, sent_at_ms=deed.at_ms)
                assert free == counted_anew(deeds[:number], deed.at_ms, late_ms)


def test_assets_do_not_share_a_balance_and_the_minimum_stays() -> None:
    reservation = reserving(minimum=lambda asset: D(10) if asset == "BTC" else None)
    reservation.take("a", "USDT", D(400))
    free = {asset: reservation.free(asset, FREE, sent_at_ms=1) for asset in ("USDT", "BTC")}
    assert free == {"USDT": D(600), "BTC": D(990)}


def test_an_effect_that_proves_to_be_later_counts_again_for_looks_that_lack_it() -> None:
    reservation = reserving()
    reservation.take("a", "USDT", D(300))
    reservation.done("a", effect_ms=0)
    assert reservation.free("USDT", FREE, sent_at_ms=LATE_MS + 50) == FREE
    reservation.done("a", effect_ms=100)
    moments = (LATE_MS + 50, LATE_MS + 100, LATE_MS + 101)
    assert [reservation.free("USDT", FREE, sent_at_ms=ms) for ms in moments] == [700, 700, FREE]


def test_an_addition_that_is_sent_again_is_not_ended_by_its_first_effect() -> None:
    reservation = reserving()
    reservation.take("a", "USDT", D(300))
    reservation.done("a", effect_ms=0)
    reservation.take("a", "USDT", D(200))
    assert reservation.free("USDT", FREE, sent_at_ms=9_000) == 800


@pytest.mark.parametrize(
    ("available", "reckoned", "unreserved"),
    [
        pytest.param("1000", "700", "700", id="a balance from before the last addition"),
        pytest.param("700", "700", "700", id="a fresh one: nothing is kept back"),
        pytest.param("500", "700", "500", id="another party took some out"),
        pytest.param(
            "1500", "700", "1200", id="another party put some in, or the balance is late: the addition counts"
        ),
        pytest.param("1000", None, "700", id="a journal of an earlier version"),
    ],
)
def test_past_the_grace_a_balance_counts_as_far_as_our_own_arithmetic_goes(
    available: str, reckoned: str | None, unreserved: str
) -> None:
    reservation = reserving(reckoned)
    reservation.take("a", "USDT", D(300))
    reservation.done("a", effect_ms=0)
    assert reservation.unreserved("USDT", D(available), sent_at_ms=GRACE_MS + 1) == D(unreserved)
    assert reservation.unreserved("USDT", D(available), sent_at_ms=LATE_MS + 1) == D(available)


def test_a_step_waits_for_the_moment_that_can_help_it_and_for_no_other() -> None:
    reservation = reserving("100", minimum=lambda _: D(50))

    def until(available: str, amount: str, sent_at_ms: int) -> int | None:
        return reservation.unseen_until("USDT", D(available), D(amount), sent_at_ms=sent_at_ms)

    assert until("600", "300", 0) is None
    for key, effect_ms in (("a", 0), ("b", 40), ("c", 60)):
        reservation.take(key, "USDT", D(100))
        reservation.done(key, effect_ms=effect_ms)
    assert until("600", "300", 20) == 60 + GRACE_MS  # where a read keeps to the grace, all of them show then
    late = 70 + GRACE_MS
    assert until("600", "300", late) == LATE_MS  # once the first of them must show, enough is free by this look
    assert until("550", "400", late) == 40 + LATE_MS
    assert until("450", "400", late) == 60 + LATE_MS
    assert until("449", "400", late) is None  # not even if this look lacks none
    reservation.take("d", "USDT", D(100))
    assert until("549", "400", late) is None  # what is in flight does not end at a moment that is known
    assert until("550", "400", late) == 60 + LATE_MS
    assert until("600", "300", LATE_MS + 61) is None


# From the journal.


def journalled(*records: Intent | Outcome | Resolved) -> JournalState:
    state = JournalState()
    for record in records:
        state.add(record, at="2026-01-01T00:00:00.000Z")
    return state


def added(number: int, signed_ms: int, **fields: object) -> Intent:
    """An addition of 300.5, whose fence is 8 s after its signature."""
    made = journals.intent(number, lane="SYM1", signed_at_ms=signed_ms)
    return replace(made, **fields)  # type: ignore[arg-type]


def applied(number: int, effect_ms: int) -> Outcome:
    return journals.outcome(number, IntentStatus.APPLIED, effect_ms=effect_ms)


@pytest.mark.parametrize(
    ("records", "now_ms", "taken"),
    [
        pytest.param((added(1, 1_000), applied(1, 1_050)), 1_050 + LATE_MS, "300.5", id="the last one of a lane"),
        pytest.param((added(1, 1_000), applied(1, 1_050)), 1_051 + LATE_MS, "0", id="once every look includes it"),
        pytest.param((added(1, 1_000),), 99_000, "300.5", id="one that is open counts for ever"),
        pytest.param(
            (added(1, 1_000), journals.outcome(1, IntentStatus.UNKNOWN, effect_ms=9_000)),
            99_000,
            "300.5",
            id="so does an unknown one",
        ),
        pytest.param(
            (added(1, 1_000), journals.outcome(1, IntentStatus.REFUSED)), 1_001, "0", id="one that did nothing"
        ),
        pytest.param(
            (added(1, 1_000), applied(1, 1_050), added(2, 1_500), applied(2, 1_550)),
            1_500 + LATE_MS,
            "601.0",
            id="an earlier one of a lane ended when the next was signed",
        ),
        pytest.param(
            (added(1, 1_000), applied(1, 1_050), added(2, 1_500), applied(2, 1_550)),
            1_501 + LATE_MS,
            "300.5",
            id="which is known to be later than its effect",
        ),
        pytest.param(
            (added(1, 1_000), applied(1, 1_050), added(2, 1_500, action="reduce_margin"), applied(2, 1_550)),
            1_500 + LATE_MS,
            "300.5",
            id="a reduction does not count",
        ),
        pytest.param(
            (added(1, 1_000), journals.outcome(1, IntentStatus.RELEASED, effect_ms=9_000)),
            9_000 + LATE_MS,
            "300.5",
            id="one that was released unknown, by its fence",
        ),
    ],
)
def test_a_run_recalls_every_addition_that_a_look_may_lack(
    records: Sequence[Intent | Outcome], now_ms: int, taken: str
) -> None:
    reservation = reserving()
    reservation.recall(journalled(*records), now_ms=now_ms)
    assert reservation.unreserved("USDT", FREE, sent_at_ms=now_ms) == FREE - D(taken)


# Reductions.


def test_funds_are_waited_for_only_while_a_reduction_is_expected() -> None:
    async def work() -> list[str]:
        reservation, seen = reserving(), []
        await asyncio.wait_for(reservation.freed(), 1)
        reservation.expect("r")
        waiting = asyncio.ensure_future(reservation.freed())
        await asyncio.sleep(1)
        seen.append("waits" if not waiting.done() else "goes on")
        reservation.over("r")
        await asyncio.wait_for(waiting, 1)
        return [*seen, "waits" if reservation.awaits_reductions else "goes on"]

    assert run(work) == ["waits", "goes on"]


def test_only_a_step_that_moves_margin_takes_free_balance() -> None:
    assert addition_of(intent("300")) == ("USDT", D(300))
    with pytest.raises(LookupError, match="reserving free balance for a step that needs none"):
        addition_of(intent(None))


# Worlds.

LEAST = D(100)
VALIDITY_MS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One thing that happens in a world. ``fate`` and the delays are those of a call."""

    what: str
    lane: int
    amount: int
    late_ms: int
    answered_ms: int
    effect_ms: int
    fate: str
    passes_ms: int


def turns(*, late_ms: int, whats: Sequence[str]) -> st.SearchStrategy[Turn]:
    return st.builds(
        Turn,
        what=st.sampled_from(whats),
        lane=st.integers(0, 4),
        amount=st.integers(1, 400),
        late_ms=st.integers(0, late_ms),
        answered_ms=st.integers(0, VALIDITY_MS),
        effect_ms=st.integers(0, VALIDITY_MS),
        fate=st.sampled_from(("yes", "yes", "yes", "late yes", "doubt, and done", "doubt", "refused")),
        passes_ms=st.integers(0, 900),
    )


@dataclass
class World:
    """Books that only we move, a journal, and the reservation of the present run."""

    balance: Decimal = FREE
    now_ms: int = 100_000
    state: JournalState = field(default_factory=JournalState)
    past: list[tuple[int, Decimal]] = field(default_factory=lambda: [(0, FREE)])
    due: list[tuple[int, int, Callable[[], None]]] = field(default_factory=list)
    calls: int = 0
    works: int = 0
    least_seen: Decimal = FREE
    sent: int = 0

    def __post_init__(self) -> None:
        self.begin_run()

    def begin_run(self) -> None:
        """A new run: it knows the journal alone."""
        self.reservation = Reservation(grace_ms=GRACE_MS, minimum=lambda _: LEAST, reckoned=self.state.free.amounts.get)
        self.reservation.recall(self.state, now_ms=self.now_ms)

    def add(self, record: Intent | Outcome) -> None:
        self.state.add(record, at="2026-01-01T00:00:00.000Z")

    def later(self, delay_ms: int, work: Callable[[], None]) -> None:
        self.works += 1
        heapq.heappush(self.due, (self.now_ms + delay_ms, self.works, work))

    def pass_time(self, milliseconds: int) -> None:
        end_ms = self.now_ms + milliseconds
        while self.due and self.due[0][0] <= end_ms:
            self.now_ms, _, work = heapq.heappop(self.due)
            work()
        self.now_ms = end_ms

    def move(self, change: Decimal) -> None:
        self.balance += change
        self.past.append((self.now_ms, self.balance))
        self.least_seen = min(self.least_seen, self.balance)

    def read(self, late_ms: int) -> Decimal:
        return next(balance for moment, balance in reversed(self.past) if moment <= self.now_ms - late_ms)

    def take(self, turn: Turn) -> None:
        """Whatever the turn says, where its lane is free."""
        symbol = f"SYM{turn.lane}"
        if turn.what == "run":
            self.begin_run()
        elif turn.what != "wait" and f"{symbol}.long" not in self.state.unsettled:
            self._call(turn, symbol)
        self.pass_time(turn.passes_ms)

    def _call(self, turn: Turn, symbol: str) -> None:
        amount, seen = D(turn.amount), self.read(turn.late_ms)
        free = self.reservation.free("USDT", seen, sent_at_ms=self.now_ms)
        self.calls += 1
        made = replace(
            journals.intent(self.calls, lane=symbol, signed_at_ms=self.now_ms),
            amount=amount,
            action=turn.what,
            fence_ms=self.now_ms + VALIDITY_MS + GRACE_MS,
            free=self.reservation.reckoned("USDT", seen, sent_at_ms=self.now_ms),
        )
        if turn.what == "add_margin":
            if free < amount:
                return
            self.reservation.take(made.intent_id, "USDT", amount)
        self.add(made)
        self.sent += 1
        self._answer(turn, made, -amount if turn.what == "add_margin" else amount)

    def _answer(self, turn: Turn, made: Intent, change: Decimal) -> None:
        in_flight_ms = min(turn.effect_ms, turn.answered_ms)
        match turn.fate:
            case "yes":
                self.later(in_flight_ms, lambda: self.move(change))
                self.later(turn.answered_ms, lambda: self._yes(made, turn.answered_ms, in_flight_ms))
            case "late yes":
                effect_ms = turn.answered_ms + turn.effect_ms % GRACE_MS
                self.later(effect_ms, lambda: self.move(change))
                self.later(turn.answered_ms, lambda: self._yes(made, turn.answered_ms, effect_ms))
            case "doubt, and done":
                self.later(turn.effect_ms, lambda: self.move(change))
                self.later(VALIDITY_MS + GRACE_MS + 1, lambda: self._end(made, IntentStatus.APPLIED, made.fence_ms))
            case "doubt":
                self.later(VALIDITY_MS + GRACE_MS + 1, lambda: self._end(made, IntentStatus.NOT_APPLIED, None))
            case _:
                self.later(turn.answered_ms, lambda: self._end(made, IntentStatus.REFUSED, None))

    def _yes(self, made: Intent, answered_ms: int, effect_ms: int) -> None:
        yes_ms = self.now_ms
        self._end(made, IntentStatus.ACCEPTED, yes_ms)
        self.later(max(0, effect_ms - answered_ms) + 1, lambda: self._end(made, IntentStatus.APPLIED, yes_ms))

    def _end(self, made: Intent, known: IntentStatus, effect_ms: int | None) -> None:
        if effect_ms is None:
            self.reservation.release(made.intent_id)
        else:
            self.reservation.done(made.intent_id, effect_ms=effect_ms)
        self.add(Outcome(intent_id=made.intent_id, known=known, effect_ms=effect_ms))


ALL = ("add_margin", "add_margin", "reduce_margin", "run", "wait")


@given(st.lists(turns(late_ms=LONG_AFTER_GRACES * GRACE_MS, whats=ALL), max_size=30))
def test_no_addition_breaks_the_minimum_however_late_a_balance_is_read(taken: list[Turn]) -> None:
    world = World()
    for turn in taken:
        world.take(turn)
    world.pass_time(2_000)
    assert world.least_seen >= LEAST


@given(st.lists(turns(late_ms=0, whats=ALL), max_size=30))
def test_with_fresh_reads_nothing_is_kept_back_once_the_grace_is_over(taken: list[Turn]) -> None:
    """Additions run side by side. None begins while a reduction is under way: a look may show that or not."""
    world = World()
    for turn in taken:
        world.take(turn)
        world.pass_time(VALIDITY_MS + 2 * GRACE_MS if turn.what == "reduce_margin" else 0)
    world.pass_time(VALIDITY_MS + 2 * GRACE_MS + 2)
    assert world.reservation.unreserved("USDT", world.balance, sent_at_ms=world.now_ms) == world.balance


def test_the_worlds_send_something() -> None:
    world = World()
    turn = Turn(
        what="add_margin", lane=0, amount=300, late_ms=0, answered_ms=20, effect_ms=10, fate="yes", passes_ms=99
    )
    world.take(turn)
    world.pass_time(GRACE_MS)
    world.take(replace(turn, lane=1, amount=601, late_ms=900))
    assert (world.sent, world.balance) == (1, D(700))  # one more than the minimum permits, though that read shows 1000
    world.take(replace(turn, lane=1, amount=600, late_ms=900))
    assert (world.sent, world.balance, world.least_seen) == (2, D(100), D(100))
