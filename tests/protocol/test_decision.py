"""What a fresh look asks for: every reason to send nothing, and the intent where something is sent."""

from dataclasses import replace

import pytest

from reconcile.exchanges.base import Accepted
from reconcile.model.account import MarginType, Policy, Position
from reconcile.model.auto_add import AutoAdd, SetAutoAdd
from reconcile.model.measures import Band, Measure, Thresholds
from reconcile.model.plan import SetMarginType
from reconcile.protocol.decision import Decision, NotStarted, another_amount, decide, intent_of
from reconcile.protocol.lifecycle import Event
from reconcile.protocol.signals import LaneLook, Now
from reconcile.protocol.task import Task
from tests.kit.desk import D, at, intent, move, position, symbol, target

LONG = "BTCUSDT.long"
STEP = D("0.01")
TYPE = SetMarginType(step_id="t", address=at(LONG), before=MarginType.CROSSED, after=MarginType.ISOLATED)


def task(**changes: object) -> Task:
    made = Task(
        name="main",
        address=at(LONG),
        lane=LONG,
        policy=Policy(allow_reduce=True, min_liquidation_distance=None, max_margin=None),
        step_size=STEP,
        grace_ms=5_000,
        slack_ms=5_000,
        validity_ms=3_000,
        target=target(LONG, "1500"),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def look(margin: str | None = "1200", kind: MarginType | None = MarginType.ISOLATED, **changes: object) -> LaneLook:
    held = None if margin is None else position(LONG, margin)
    made = LaneLook(
        sent_at_ms=1,
        position=held,
        symbol=symbol("BTCUSDT", kind, open_orders=False),
        shared=False,
        is_open=held is not None,
        available=D(10_000),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


CROSSED = MarginType.CROSSED
FLAT = look(None, CROSSED)


@pytest.mark.parametrize(
    ("seen", "event", "words"),
    [
        (look(None), Event.IN_SYNC, "BTCUSDT is isolated already"),
        (replace(FLAT, is_open=True), Event.STALE, "a position was opened since the plan"),
        (
            replace(FLAT, symbol=symbol("BTCUSDT", MarginType.CROSSED, open_orders=True)),
            Event.STALE,
            "orders were opened",
        ),
        (
            replace(FLAT, symbol=symbol("BTCUSDT", MarginType.CROSSED, open_orders=None)),
            Event.STALE,
            "orders were opened",
        ),
        (replace(FLAT, symbol=None), Event.STALE, "orders were opened"),
    ],
)
def test_a_margin_type_is_changed_only_while_flat_and_without_orders(seen: LaneLook, event: Event, words: str) -> None:
    found = decide(task(), TYPE, seen)
    assert isinstance(found, NotStarted)
    assert (found.event, words in found.detail) == (event, True)


def test_a_flat_symbol_of_another_type_is_changed() -> None:
    found = decide(task(), TYPE, FLAT)
    assert found == Decision(amount=None, before="crossed", wanted="isolated", position=None)


@pytest.mark.parametrize(
    ("margin", "event", "words"),
    [
        (None, Event.STALE, "stale: "),
        ("1100", Event.STALE, "stale: "),
    ],
)
def test_margin_is_not_moved_where_live_has_left_what_was_planned(margin: str | None, event: Event, words: str) -> None:
    found = decide(task(), move(), look(margin))
    assert isinstance(found, NotStarted)
    assert (found.event, found.detail.startswith(words)) == (event, True)


def test_margin_that_is_as_declared_is_left() -> None:
    found = decide(task(), move(LONG, "1499", "1500", tolerance="5"), look("1500"))
    assert found == NotStarted(Event.IN_SYNC, "inside the tolerance of the declared margin already")


def test_a_declared_measure_that_needs_no_more_is_named() -> None:
    bounds = Thresholds(floor=D("0.08"), target=D("0.12"), ceiling=None)
    band = Band(measure=Measure.LIQUIDATION_DISTANCE, bounds=bounds, at_most=D(4_000))
    held = position(LONG, "1200", mark="10000", notional="10000")
    held = replace(held, liquidation_price=held.liquidation_at(held.isolated_margin))
    found = decide(task(target=replace(target(LONG), band=band)), move(), look(position=held))
    assert found == NotStarted(Event.IN_SYNC, "liquidation_distance needs no change any more")


def test_a_limit_that_no_longer_permits_the_step_stops_it() -> None:
    strict = Policy(allow_reduce=True, min_liquidation_distance=None, max_margin={"USDT": D(1400)})
    found = decide(task(policy=strict), move(), look())
    assert isinstance(found, NotStarted)
    assert (found.event, found.detail.startswith("policy no longer permits it: ")) == (Event.GIVEN_UP, True)


@pytest.mark.parametrize(("declared", "before", "after"), [("1500", "1200", "1500"), ("900", "1200", "900")])
def test_what_is_sent_goes_from_the_margin_of_the_look_to_the_declared_one(
    declared: str, before: str, after: str
) -> None:
    found = decide(task(target=target(LONG, declared)), move(LONG, before, after), look(before))
    assert isinstance(found, Decision)
    assert (found.amount, found.before, found.wanted) == (D(300), before, after)


def test_moving_margin_without_a_target_is_a_bug_that_is_named() -> None:
    with pytest.raises(LookupError, match=r"moving margin of BTCUSDT\.long: it has no target"):
        decide(task(target=None), move(), look())


SWITCH = SetAutoAdd(step_id="s", address=at(LONG), before=AutoAdd.ON, after=AutoAdd.OFF)


@pytest.mark.parametrize(
    ("held", "event", "words"),
    [
        (None, Event.STALE, "stale: the position was closed"),
        (position(LONG, size="0"), Event.STALE, "stale: the position was closed"),
        (position(LONG, kind=CROSSED, auto_add=True), Event.STALE, "stale: the position is crossed"),
        (position(LONG), Event.IN_SYNC, "auto-add of BTCUSDT.long is off already"),
    ],
)
def test_auto_add_is_switched_only_on_an_open_isolated_position(
    held: Position | None, event: Event, words: str
) -> None:
    found = decide(task(), SWITCH, look(position=held))
    assert isinstance(found, NotStarted)
    assert (found.event, found.detail.startswith(words)) == (event, True)


def test_auto_add_that_is_on_is_switched_off() -> None:
    held = position(LONG, auto_add=True)
    assert decide(task(), SWITCH, look(position=held)) == Decision(
        amount=None, before="on", wanted="off", position=held
    )


def test_an_intent_is_signed_as_of_now_and_its_fence_is_validity_and_grace_later() -> None:
    found = decide(task(), move(), look())
    assert isinstance(found, Decision)
    made = intent_of(task(cursor="7"), move(), found, new_id="n", now=Now(1_000, 1_200), calls_seen_ms=600)
    assert (made.signed_at_ms, made.fence_ms, made.calls_seen_ms) == (1_000, 9_000, 600)
    assert (made.intent_id, made.amount, made.asset, made.cursor, made.size) == ("n", D(300), "USDT", "7", D(1))
    flat = decide(task(), TYPE, FLAT)
    assert isinstance(flat, Decision)
    change = intent_of(task(), TYPE, flat, new_id="n", now=Now(1_000, 1_200), calls_seen_ms=None)
    assert (change.amount, change.asset, change.size, change.identity) == (None, None, None, None)


@pytest.mark.parametrize(
    ("amount", "said"),
    [
        (None, None),
        ("300", None),
        ("-300", None),
        ("300.0000000000001", None),
        ("301", "the exchange said yes to 301, and 300 was sent"),
    ],
)
def test_a_yes_to_another_amount_than_was_sent_is_named(amount: str | None, said: str | None) -> None:
    yes = Accepted(note="ok", amount=None if amount is None else D(amount))
    assert another_amount(intent("300"), yes) == said
    assert another_amount(intent(None, action="set_margin_type"), yes) is None
