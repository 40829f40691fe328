"""Templates in use: what they declare is planned, saved, sent, journalled and shown like every entry, with its name."""

import json as plain_json
from dataclasses import replace
from decimal import Decimal

import pytest

from reconcile.errors import InputError
from reconcile.journal.records import NoteRecord
from reconcile.model.account import DesiredAccount, Target
from reconcile.model.notes import PlanNote
from reconcile.model.plan import Plan, Result, SavedPlan, Status
from reconcile.render.common.json import digest_of, dumps
from reconcile.render.plan.json import plan_document
from reconcile.render.plan.saved import loads_plan
from reconcile.render.plan.text import plan_text
from reconcile.usecases import drift as drifting
from tests.kit.desk import target
from tests.kit.scene import Scene, desired, play, the_error
from tests.simulation.machine import Killed


def account(*templates: Target, targets: dict[str, str] | None = None) -> DesiredAccount:
    return replace(desired(targets or {}), templates=templates)


BTC, LONGS = target("BTC*.long", "4500"), target("*.long", tolerance="100000", margin="1500")
ALL = account(BTC, LONGS)


def statuses(plan: Plan) -> dict[str, tuple[Status, str | None]]:
    (made,) = plan.accounts
    return {str(e.address): (e.status, None if e.target is None else e.target.template) for e in made.entries}


def test_a_plan_names_the_template_of_each_entry() -> None:
    async def act(scene: Scene) -> Plan:
        return await scene.plan(ALL)

    plan, _ = play(act)
    found = statuses(plan)
    assert found["BTCUSDT.long"] == (Status.CHANGE, "BTC*.long")
    assert found["ETHUSDT.long"] == (Status.IN_SYNC, "*.long")
    assert found["BTCUSDT.short"] == (Status.UNMANAGED, None)
    assert "from BTC*.long" in plan_text(plan, titles={"binance": "Binance"}, color=False)
    entry = next(e for e in plan_document(plan)["accounts"][0]["entries"] if e["address"] == "BTCUSDT.long")
    assert entry["desired"]["template"] == "BTC*.long"


def test_an_apply_moves_margin_once_and_journals_the_template() -> None:
    async def act(scene: Scene) -> tuple[Result, Result]:
        return await scene.apply(ALL), await scene.apply(ALL)

    (first, second), scene = play(act)
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert scene.margin("BTCUSDT.long") == 4500
    assert scene.moved_by_calls() == [("BTCUSDT.long", Decimal(1500))]
    store = scene.world().store
    (identity,) = store.identities()
    notes = [line.record for line in store.lines(identity) if isinstance(line.record, NoteRecord)]
    bodies = [note.details for note in notes if isinstance(note.details, PlanNote)]
    assert [(each.address, each.template) for body in bodies for each in body.entries] == [
        ("BTCUSDT.long", "BTC*.long")
    ]


def test_a_saved_plan_keeps_what_its_templates_made_of_the_account() -> None:
    async def act(scene: Scene) -> tuple[SavedPlan, Result]:
        saved = await scene.saved(ALL)
        scene.place.books.open_position("XRPUSDT", "long", Decimal(1), now_ms=scene.now_ms())
        return saved, await scene.apply_saved(saved)

    (saved, result), scene = play(act)
    assert statuses(saved.plan)["BTCUSDT.long"] == (Status.CHANGE, "BTC*.long")
    assert [str(each.address) for each in saved.plan.accounts[0].desired.templates] == ["BTC*.long", "*.long"]
    assert result.exit_code == 0
    assert scene.moved_by_calls() == [("BTCUSDT.long", Decimal(1500))]


def test_a_position_that_closed_since_the_saved_plan_makes_it_stale() -> None:
    async def act(scene: Scene) -> Result:
        saved = await scene.saved(ALL)
        scene.place.books.close_position("BTCUSDT", "long", now_ms=scene.now_ms())
        return await scene.apply_saved(saved)

    result, scene = play(act)
    assert the_error(result)[:2] == (4, "stale")
    assert scene.moved_by_calls() == []


@pytest.mark.parametrize("name", ["ETH*.long", "BTC*.short", "*.long"])
def test_a_saved_plan_with_another_template_is_refused(name: str) -> None:
    async def act(scene: Scene) -> str:
        return dumps(plan_document(await scene.plan(ALL)))

    document, _ = play(act)
    forged = plain_json.loads(document)
    entry = next(e for e in forged["accounts"][0]["entries"] if e["address"] == "BTCUSDT.long")
    entry["desired"]["template"] = name
    forged["digest"] = digest_of(forged)
    with pytest.raises(InputError, match="template"):
        loads_plan(plain_json.dumps(forged))


def test_limits_hold_for_what_a_template_declares() -> None:
    limited = replace(ALL, policy=replace(ALL.policy, max_total_add=Decimal(1000)))

    async def act(scene: Scene) -> Result:
        return await scene.apply(limited)

    result, scene = play(act)
    assert the_error(result)[:2] == (4, "max_total_add")
    assert scene.moved_by_calls() == []


def test_a_target_chooses_among_what_templates_declare() -> None:
    async def act(scene: Scene) -> Plan:
        return await scene.plan(ALL, targets=["ETH*"])

    plan, _ = play(act)
    (made,) = plan.accounts
    assert [str(entry.address) for entry in made.entries if entry.target] == ["ETHUSDT.long"]
    assert made.outside_scope > 0


def test_drift_is_told_of_what_a_template_declares() -> None:
    async def act(scene: Scene) -> tuple[str, Decimal]:
        await scene.apply(ALL)
        scene.by_hand("BTCUSDT.long", "-700")
        await scene.pass_time(60_000)
        (found,) = await drifting.drift(scene.world(), [ALL])
        (entry,) = [each for each in found.entries if str(each.address) == "BTCUSDT.long"]
        return entry.baseline, entry.drift

    found, _ = play(act)
    assert found == ("applied", Decimal(-700))


def test_a_position_that_opens_later_is_declared_by_the_next_run() -> None:
    async def act(scene: Scene) -> tuple[Result, Result, Result]:
        wanted = account(BTC, target("XRP*.long", "2100"))
        first = await scene.apply(wanted)
        scene.place.books.open_position("XRPUSDT", "long", Decimal(20_000), now_ms=scene.now_ms(), margin=Decimal(2000))
        await scene.pass_time(60_000)
        return first, await scene.apply(wanted), await scene.apply(wanted)

    (first, second, third), scene = play(act)
    stepped = [[str(step.address) for step in result.accounts[0].steps] for result in (first, second, third)]
    assert stepped == [["BTCUSDT.long"], ["XRPUSDT.long"], []]
    assert scene.margin("XRPUSDT.long") == 2100


def test_an_open_step_on_a_position_that_closed_is_still_shown() -> None:
    async def act(scene: Scene) -> Plan:
        with pytest.raises(Killed):
            await scene.apply(ALL, scene.victim())
        scene.place.books.close_position("BTCUSDT", "long", now_ms=scene.now_ms())
        return await scene.plan(ALL)

    plan, _ = play(act)
    assert statuses(plan)["BTCUSDT.long"] == (Status.HELD, None)


def test_a_target_that_matches_nothing_open_is_told() -> None:
    async def act(scene: Scene) -> tuple[Plan, list[str]]:
        return await scene.plan(ALL, targets=["DOT*.long"]), scene.place.progress

    (plan, told), _ = play(act)
    assert [entry for entry in plan.accounts[0].entries if entry.target] == []
    assert any("DOT*.long" in line for line in told)
