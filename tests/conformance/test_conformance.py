"""Every scenario on every exchange, in both modes, in virtual time and over sockets, ends in the same books."""

import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest

from reconcile.exchanges.catalogue import TRAITS
from reconcile.model.plan import Result, Status
from reconcile.model.traits import Scope
from reconcile.sandbox.faults import Fault
from reconcile.sandbox.http import Answer
from reconcile.sandbox.values import ISOLATED
from tests.conformance.scenarios import SCENARIOS, Scenario, odd_answers
from tests.conformance.stage import EXCHANGES, MODES, TOLERANCE, Names, Sockets, Stage, Virtual, declare

D = Decimal
AT_ONCE = 24
ALL = [Names(exchange, mode) for exchange in EXCHANGES for mode in MODES]


def cases(*, over_sockets: bool) -> Iterator[object]:
    """Each scenario with each exchange and mode that has what it is about."""
    for scenario in SCENARIOS:
        for names in ALL:
            if scenario.fits(names) and (scenario.over_sockets or not over_sockets):
                yield pytest.param(scenario, names, id=f"{scenario.name}-{names.exchange}-{names.mode}")


def margins(stage: Stage) -> dict[str, Decimal]:
    """The isolated margins in the exchange's own books."""
    return {
        f"{position.symbol}.{position.side}": position.margin
        for position in stage.books.positions.values()
        if position.margin_type == ISOLATED
    }


def expected(scenario: Scenario, names: Names, before: dict[str, Decimal]) -> dict[str, Decimal]:
    """What the books must hold in the end."""
    named = {place: D(margin) for place, margin in scenario.margins(names).items() if margin is not None}
    return {place: amount for place, amount in {**before, **named}.items() if amount}


def near(found: dict[str, Decimal], wanted: dict[str, Decimal]) -> bool:
    """Equal within the declared tolerance."""
    return found.keys() == wanted.keys() and all(abs(found[place] - wanted[place]) <= TOLERANCE for place in wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What came of a scenario: both results, how many writes each apply sent, and the stage as it was left."""

    stage: Stage
    before: dict[str, Decimal]
    first: Result
    sent: int
    second: Result
    sent_again: int


def play(stage: Stage, scenario: Scenario) -> Played:
    """Plan, apply, apply again."""
    before = margins(stage)
    scenario.arrange(stage.names, stage.books, stage.books.now_ms)
    desired = declare(stage.names, scenario.targets(stage.names), auto_add=scenario.auto_add)

    async def whole() -> Played:
        await stage.plan(desired)
        planned = stage.script.writes
        if planned:
            raise AssertionError(f"plan sent {planned} writes")
        first = await stage.apply(desired)
        sent = stage.script.writes
        second = await stage.apply(desired)
        return Played(
            stage=stage,
            before=before,
            first=first,
            sent=sent,
            second=second,
            sent_again=stage.script.writes - sent,
        )

    return stage.play(whole())


def judge(played: Played, scenario: Scenario, *, refused: int = 0) -> None:
    """Compare with what the scenario says.

    In real time a loaded machine may be slower than a request is valid: the exchange refuses it then, and the step is
    sent anew. As many calls as were ``refused``, by the journal, may be beyond what the scenario says.
    """
    stage = played.stage
    assert played.first.exit_code == scenario.code, played.first
    assert near(margins(stage), expected(scenario, stage.names, played.before)), margins(stage)
    if scenario.auto_add is not None:
        is_on = stage.names.side("long") in stage.books.settings[stage.names.symbol(0)].auto_add
        assert is_on is (scenario.auto_add if scenario.code == 0 else not scenario.auto_add)
    needed = played.sent if scenario.writes is None else scenario.writes
    assert 0 <= played.sent - needed <= refused
    assert played.second.exit_code == (scenario.code if scenario.again is None else scenario.again), played.second
    assert played.sent_again == scenario.again_writes
    once = [effect.request for effect in stage.books.effects if effect.actor == "api"]
    assert len(once) == len(set(once))


@pytest.mark.parametrize(("scenario", "names"), list(cases(over_sockets=False)))
def test_in_virtual_time(scenario: Scenario, names: Names) -> None:
    judge(play(Virtual(names, scenario.happenings(names)), scenario), scenario)


@pytest.fixture(scope="module")
def over_sockets(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[Played]]]:
    """The chosen scenarios, all at once: they wait for real time, not for the machine."""
    with ThreadPoolExecutor(AT_ONCE) as threads:

        def begin(item: pytest.Item) -> Future[Played]:
            given = item.callspec.params  # type: ignore[attr-defined]
            scenario, names = given["scenario"], given["names"]
            home = tmp_path_factory.mktemp("home")
            return threads.submit(lambda: play(Sockets(names, home, scenario.happenings(names)), scenario))

        chosen = [item for item in request.session.items if item.name.startswith("test_over_sockets[")]
        yield {item.name: begin(item) for item in chosen}


@pytest.mark.parametrize(("scenario", "names"), list(cases(over_sockets=True)))
def test_over_sockets(
    scenario: Scenario,
    names: Names,
    over_sockets: dict[str, Future[Played]],
    request: pytest.FixtureRequest,
) -> None:
    played = over_sockets[request.node.name].result()
    assert isinstance(played.stage, Sockets)
    assert played.stage.names == names
    judge(played, scenario, refused=refusals(played.stage.home))


def refusals(home: Path) -> int:
    """How many calls the journals of a home say were refused."""
    lines = [json.loads(line) for path in home.rglob("*.jsonl") for line in path.read_text().splitlines()]
    return sum(line.get("known") == "refused" for line in lines)


def odd() -> Iterator[object]:
    """Each odd answer of each exchange, with and without an effect."""
    for exchange in EXCHANGES:
        for name, reply in odd_answers(exchange).items():
            for arrives in ((0,), ()):
                kind = "with effect" if arrives else "without"
                yield pytest.param(exchange, reply, arrives, id=f"{exchange}-{name}-{kind}")


@pytest.mark.parametrize(("exchange", "reply", "arrives"), list(odd()))
def test_an_odd_answer_ends_in_one_effect(exchange: str, reply: Answer, arrives: tuple[int, ...]) -> None:
    scenario = next(each for each in SCENARIOS if each.name == "add")
    stage = Virtual(Names(exchange, "hedge"), (Fault(arrives_ms=arrives, reply=reply),))
    played = play(stage, scenario)
    assert (played.first.exit_code, played.sent, played.sent_again) == (0, 1 if arrives else 2, 0), played.first
    assert near(margins(stage), expected(scenario, stage.names, played.before))
    assert len(stage.books.effects) == 1


@pytest.mark.parametrize("names", [name for name in ALL if name.exchange != "okx"], ids=str)
def test_a_type_change_is_in_the_books(names: Names) -> None:
    scenario = next(each for each in SCENARIOS if each.name == "type change")
    stage = Virtual(names)
    play(stage, scenario)
    assert stage.books.settings[names.symbol(3)].margin_type == ISOLATED


@pytest.mark.parametrize("names", ALL, ids=str)
def test_what_no_file_declares_is_shown_and_never_touched(names: Names) -> None:
    stage = Virtual(names)
    plan = stage.play(stage.plan(declare(names, {names.first: "500"})))
    unmanaged = {str(entry.address) for entry in plan.accounts[0].entries if entry.status is Status.UNMANAGED}
    assert names.second in unmanaged
    assert names.crossed not in unmanaged


@pytest.mark.parametrize("names", [name for name in ALL if name.mode == "hedge"], ids=str)
def test_two_sides_of_one_symbol_are_in_flight_together_only_where_the_ledger_names_the_side(names: Names) -> None:
    scenario = next(each for each in SCENARIOS if each.name == "two sides of one symbol")
    stage = Virtual(names, latency_ms=400)
    play(stage, scenario)
    (_, sent, answered), (_, next_sent, _) = sorted(stage.flights, key=lambda flight: flight[1])
    together = next_sent < answered
    assert together == (TRAITS[names.exchange].lane is Scope.ADDRESS)
    assert sent < answered
