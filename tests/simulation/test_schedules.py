"""The protocol against everything that can happen: the corpus, every first fault, and fresh schedules each time.

``SIMULATION_SEED`` repeats a run, ``SIMULATION_SCHEDULES`` sets how many fresh schedules are played for all exchanges
together (1,500 of them). What fails prints its seed, the shrunk schedule and a timeline; put the schedule
into ``tests/corpus`` with one line that says why.
"""

import json
import os
import secrets
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from reconcile.journal import checkpoint
from reconcile.sandbox.registry import SIMULATED
from tests.simulation.explore import exhaustive, random_schedule, roots, shrink
from tests.simulation.hits import SPANS, VALIDITY_MS
from tests.simulation.oracle import verdict
from tests.simulation.schedule import SPAN, TIME, Aim, Go, Happening, Schedule
from tests.simulation.timeline import timeline

CORPUS = Path(__file__).parents[1] / "corpus"
ROOT = Path(__file__).parents[2]
EXCHANGES = tuple(SIMULATED)
SEED = int(os.environ.get("SIMULATION_SEED") or secrets.randbelow(1 << 40))
SCHEDULES = int(os.environ.get("SIMULATION_SCHEDULES") or 1_500)


def _checked(schedule: Schedule) -> None:
    found = verdict(schedule)
    if found.violations:
        pytest.fail(timeline(verdict(schedule, watch=True)))


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*.json")), ids=lambda path: path.stem)
def test_what_ever_failed_does_not_fail_again(path: Path) -> None:
    _checked(Schedule.from_json(json.dumps(json.loads(path.read_text(encoding="utf-8"))["schedule"])))


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_every_single_fault_at_every_point_is_survived(exchange: str) -> None:
    failed = [found for root in roots(exchange) for found in exhaustive(root, 1) if found.violations]
    assert [(found.schedule.to_json(), found.violations) for found in failed] == []


@pytest.mark.parametrize("exchange", EXCHANGES)
@pytest.mark.parametrize("where", ["inside", "outside"])
def test_fresh_random_schedules_are_survived(exchange: str, where: str) -> None:
    share = SCHEDULES // len(EXCHANGES)
    count = share * 9 // 10 if where == "inside" else share // 10
    command = [sys.executable, "-m", "tests.simulation", "--exchange", exchange]
    command += ["--seed", str(SEED), "--schedules", str(count), *(["--outside"] if where == "outside" else [])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    print(done.stdout)
    assert done.returncode == 0, f"SIMULATION_SEED={SEED}\n{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_runs_that_begin_at_checkpoints_survive(exchange: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each run leaves a checkpoint, so that every run but the first two begins at one."""
    monkeypatch.setattr(checkpoint, "LEAST_BYTES", 1)
    monkeypatch.setattr(checkpoint, "TIMES_ITS_SIZE", 0)
    for seed in range(SEED, SEED + SCHEDULES // 75):
        _checked(random_schedule(seed, exchange=exchange))


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_a_seed_gives_the_same_world_event_for_event(exchange: str) -> None:
    for seed in range(12):
        first, second = (verdict(random_schedule(seed, exchange), watch=True) for _ in range(2))
        assert timeline(first) == timeline(second)


def test_a_schedule_survives_being_written_down() -> None:
    for seed in range(300):
        schedule = random_schedule(seed, outside=seed % 2 == 1)
        assert Schedule.from_json(schedule.to_json()) == schedule


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_chance_brings_late_reads_together_with_what_forgets_or_changes(exchange: str) -> None:
    late = [each for each in (random_schedule(seed, exchange) for seed in range(600)) if each.lag > each.grace]
    homes = [each for each in late if len({go.home for go in each.runs}) > 1]
    resolved = [each for each in late if any(go.command == "resolve" for go in each.runs)]
    reverted = [each for each in late if len({go.revised for go in each.runs}) > 1]
    put_back = [each for each in late if any(one.where == "journal" for one in each.happenings)]
    assert min(len(found) for found in (homes, resolved, reverted, put_back)) >= 5
    assert [each.outside for each in late if each.outside] == []


def test_what_fails_is_made_small() -> None:
    big = random_schedule(7)
    noise = tuple(Happening(where="balance", n=number, how="timeout") for number in range(1, 5))
    guilty = Happening(where="write", n=1, how="lost")
    big = Schedule(aims=(Aim(), Aim(symbol=1)), runs=(Go(), Go(), Go()), happenings=(*noise, guilty), seed=big.seed)
    small = shrink(big, fails=lambda each: guilty in each.happenings)
    assert (small.happenings, len(small.runs), len(small.aims)) == ((guilty,), 1, 1)


def test_a_request_that_the_network_repeats_costs_one_delta_and_is_shown() -> None:
    schedule = Schedule(runs=(Go(),), happenings=(Happening(where="write", n=1, how="twice", value=500),))
    found = verdict(schedule)
    doubled = [effect for effect in found.simulation.books.effects if effect.delivery == 2]
    plan = found.simulation.ran[-1].plan
    assert found.violations == ()
    assert [str(effect.change) for effect in doubled] == ["500"]
    assert plan is not None
    assert [str(entry.status) for entry in plan.accounts[0].entries] == ["change"]


def test_a_person_who_adds_the_same_amount_at_the_same_time_is_told_apart_or_reported() -> None:
    schedule = Schedule(
        runs=(Go(),),
        happenings=(Happening(where="write", n=1, how="lost"), Happening(where=TIME, n=9_000, how="human_same")),
    )
    found = verdict(schedule)
    first = found.simulation.ran[0].result
    assert found.violations == ()
    assert first is not None
    assert first.exit_code == 5
    assert [str(step.outcome) for step in first.steps] == ["unknown"]


@pytest.mark.parametrize("how", SPANS)
def test_a_span_hits_the_requests_of_its_time_and_no_others(how: str) -> None:
    in_time = Schedule(runs=(Go(),), happenings=(Happening(where=SPAN, n=0, how=how, value=1_000),))
    too_late = Schedule(runs=(Go(),), happenings=(Happening(where=SPAN, n=600_000, how=how, value=1_000),))
    hit, missed = (verdict(each).simulation.ran[0].troubles for each in (in_time, too_late))
    assert (hit > 0, missed) == (True, 0)


@pytest.mark.parametrize("exchange", EXCHANGES)
@pytest.mark.parametrize("target", [1_500, 1_300])
def test_a_yes_may_come_a_whole_grace_before_its_effect(exchange: str, target: int) -> None:
    """Later than its validity, by which the exchange judged it when it said yes; and it is a yes to our amount."""
    early = Happening(where="write", n=1, how="early_yes", value=5_000)
    found = verdict(Schedule(exchange=exchange, aims=(Aim(target=target),), runs=(Go(),), happenings=(early,)))
    (effect,) = (each for each in found.simulation.books.effects if each.actor == "api")
    (call,) = found.simulation.written
    result = found.simulation.ran[0].result
    assert found.violations == ()
    assert effect.time_ms - found.simulation.exchange_ms(call.sent_ms) == 5_005
    assert result is not None
    assert [step.evidence for step in result.steps] == [f"1000 → {target} seen after the exchange said yes"]


@pytest.mark.parametrize("exchange", EXCHANGES)
@pytest.mark.parametrize(
    ("how", "accepted_ms"), [("queued_lost", 0), ("late_queued", -100), ("kill_queued_sent", -100)]
)
def test_an_effect_may_come_a_grace_after_a_call_without_an_answer(exchange: str, how: str, accepted_ms: int) -> None:
    found = verdict(Schedule(exchange=exchange, happenings=(Happening(where="write", n=1, how=how, value=5_000),)))
    (effect,) = (each for each in found.simulation.books.effects if each.actor == "api")
    late = effect.time_ms - found.simulation.exchange_ms(found.simulation.written[0].sent_ms)
    assert found.violations == ()
    assert late == 5_005 + (accepted_ms and accepted_ms + VALIDITY_MS[exchange])


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_chance_brings_equal_steps_and_a_short_balance(exchange: str) -> None:
    made = [random_schedule(seed, exchange) for seed in range(600)]
    twice = [each for each in made if any(_steps(aim)[1:] == _steps(aim)[:1] for aim in each.aims)]
    sides = [each for each in made if len({(aim.symbol, *_steps(aim)[:1]) for aim in each.aims}) < len(each.aims)]
    late = [each for each in made if any(one.how == "early_yes" and one.value > 4_000 for one in each.happenings)]
    short = [each for each in made if each.floor and each.lag > each.grace and each.free < each.floor + 1_000]
    assert min(len(found) for found in (twice, sides, late, short)) >= 10


def _steps(aim: Aim) -> list[int]:
    """The steps from the first margin to the target, and from there to the revised one; none for what does not move."""
    margins = (aim.before, aim.target, aim.target if aim.revised is None else aim.revised)
    return [after - before for before, after in pairwise(margins) if after != before]
