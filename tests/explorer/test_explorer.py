"""No path of the machine breaks a promise, and without a rule one does."""

import os
from collections import deque
from itertools import combinations

import pytest

from reconcile.protocol.rules import RULES
from tests.explorer import search
from tests.explorer.__main__ import main
from tests.explorer.defects import DEFECTS, Defect
from tests.explorer.mixtures import APART, KINDS, mixtures
from tests.explorer.model import Scope, World
from tests.explorer.moves import Exchange
from tests.explorer.replay import is_known, replay
from tests.explorer.scopes import SCOPES
from tests.explorer.search import explore
from tests.explorer.switches import COVERED, SWITCHES, Covered, Switch
from tests.simulation.oracle import verdict
from tests.simulation.schedule import Schedule
from tests.specification import PAGE, rules_of

MOST = 11_200 if "CI" in os.environ else 5_000
"""States of each scope; ``python -m tests.explorer --states 0`` has no bound."""

ON_PAGE = rules_of(PAGE.read_text(encoding="utf-8"))
"""The rules as docs/design.md has them, with the promise that is broken without each."""


@pytest.mark.parametrize("name", SCOPES)
def test_no_path_breaks_a_promise(name: str) -> None:
    found = explore(SCOPES[name], most=MOST)
    assert found.violation == "", "\n".join(found.timeline)


def test_any_two_kinds_of_trouble_that_go_together_meet_in_a_scope() -> None:
    met = {frozenset(pair) for name in mixtures() for pair in combinations(name.removeprefix("mixed: ").split(", "), 2)}
    assert met == {frozenset(pair) for pair in combinations(KINDS, 2)} - APART


@pytest.mark.parametrize("switch", SWITCHES, ids=lambda switch: switch.rule)
def test_a_rule_is_there_for_a_reason(switch: Switch) -> None:
    """Without it the explorer shows what goes wrong, and so does the simulation, of the same calls; with it neither."""
    with switch.off():
        found = explore(switch.scope, most=150_000)
        assert found.violation == next(rule.off for rule in ON_PAGE if rule.name == switch.rule)
        made = replay(switch.scope, found.path)
        assert made.schedule.outside == 0
        assert bool(verdict(made.schedule).violations) is not bool(switch.unseen)
    assert Schedule.from_json(made.schedule.to_json()) == made.schedule
    assert verdict(made.schedule).violations == ()


def test_a_journal_that_was_put_back_is_put_back_in_the_schedule() -> None:
    """Taken for whole, it costs a step in the simulation too; as the program takes it, it does not."""
    defect = next(each for each in DEFECTS if each.name == "a journal that was put back is taken for whole")
    with defect.put_in():
        made = replay(defect.scope, explore(defect.scope).path)
        assert verdict(made.schedule).violations
    assert (made.schedule.outside, made.without) == (0, ())
    assert verdict(made.schedule).violations == ()


@pytest.mark.parametrize("name", SCOPES)
def test_the_words_of_a_path_have_a_place_in_a_schedule(name: str) -> None:
    """Each but those that are said to have none."""
    said: set[str] = set()
    exchange, worlds = Exchange(SCOPES[name]), deque[World]()
    worlds.append(exchange.start())
    for _ in range(300):
        for move in exchange.moves(worlds.popleft()):
            said.add(move.what)
            worlds.append(move.world)
    assert [what for what in sorted(said) if what and not is_known(what)] == []


@pytest.mark.parametrize("covered", COVERED, ids=lambda covered: covered.rule)
def test_a_rule_that_another_covers_is_said_to_be(covered: Covered) -> None:
    with covered.off():
        assert explore(covered.scope, most=MOST).violation == ""


def test_every_rule_of_freshness_has_a_switch() -> None:
    named = {each.rule for each in SWITCHES} | {each.rule for each in COVERED}
    assert {rule.name for rule in RULES} <= named


@pytest.mark.parametrize(
    "scope",
    [
        Scope(faults=1, crashes=1, runs=1),
        Scope(faults=0, crashes=1, loses_lock=True, positions_late=0, ledger_late=0),
        Scope(faults=0, puts_back=True),
    ],
    ids=["kills", "a lost lock", "a journal put back"],
)
def test_in_order_of_time_the_same_worlds_are_found(scope: Scope, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_LEAST_TO_FORGET", 20)
    swept, whole = search.sweep(scope), explore(scope)
    assert (swept.states, swept.transitions, swept.is_whole, whole.is_whole) == (
        whole.states,
        whole.transitions,
        True,
        True,
    )


def test_in_order_of_time_a_violation_is_found() -> None:
    switch = next(each for each in SWITCHES if each.rule == "adds up")
    with switch.off():
        assert search.sweep(switch.scope).violation == explore(switch.scope).violation != ""


def test_a_sweep_that_is_ended_says_which_moment_it_came_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_ASK_EVERY", 100)
    asked: list[search.Progress] = []

    def goes_on(progress: search.Progress) -> bool:
        asked.append(progress)
        return len(asked) < 3

    found = search.sweep(Scope(faults=1, runs=1), goes_on=goes_on)
    assert (found.is_whole, found.states, found.before_ms) == (False, 300, asked[-1].at_ms)


def test_the_command_prints_what_each_scope_came_to(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["--scope", "a yes that is never done", "--states", "0", "--seconds", "0", "--workers", "1"]) == 0
    printed = capfd.readouterr().out.splitlines()
    assert printed[0].startswith("a yes that is never done: all before ")
    assert ", 0 violations, 0 of 1 scopes whole" in printed[1]


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name)
def test_a_defect_within_a_rule_is_noticed(defect: Defect) -> None:
    with defect.put_in():
        assert explore(defect.scope, most=60_000).violation == defect.breaks
    assert explore(defect.scope, most=MOST).violation == ""
