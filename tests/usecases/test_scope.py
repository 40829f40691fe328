"""What ``--target`` leaves out is named everywhere, and what an earlier run left is told where it is settled."""

import json as plain_json
from collections.abc import Mapping, Sequence

import pytest

from reconcile.audit.run_log import find_runs
from reconcile.errors import Declined
from reconcile.model.plan import Plan, Result
from reconcile.model.reports import Run
from reconcile.render.audit.run import run_document, run_markdown, run_text
from reconcile.render.common.json import Document, digest_of, dumps
from reconcile.render.plan.github import plan_annotations
from reconcile.render.plan.json import plan_document
from reconcile.render.plan.markdown import plan_markdown
from reconcile.render.plan.saved import loads_plan
from reconcile.render.plan.text import plan_text
from reconcile.render.result.conclusion import conclusion
from reconcile.render.result.github import result_annotations
from reconcile.render.result.json import result_document
from reconcile.render.result.markdown import result_markdown
from reconcile.render.result.text import result_text
from reconcile.usecases import apply as applying
from tests.kit.documents import check
from tests.kit.scene import TARGETS, Scene, desired, play
from tests.simulation.machine import Killed

LONG, OTHER = "BTCUSDT.long", "ETHUSDT.long"


async def applied(scene: Scene, targets: Sequence[str], margins: Mapping[str, str] = TARGETS) -> Result:
    return await applying.apply(
        scene.world(), [desired(margins)], targets=targets, reason=None, git_commit=None, confirm=None
    )


def test_a_plan_of_a_part_names_its_scope_in_every_format_and_as_a_saved_plan() -> None:
    async def act(scene: Scene) -> Plan:
        return await scene.plan(desired(), targets=["BTC*"])

    made, _ = play(act)
    words = "only BTC* is planned; 1 other declared address is left out"
    assert f"Scope: {words}." in plan_text(made, color=False)
    assert "**Scope:** only BTC&#42; is planned; 1 other declared address is left out" in plan_markdown(made)
    assert f"::notice title=scope::{words}\n" in plan_annotations(made)
    document = plan_document(made)
    assert (document["scope"], document["accounts"][0]["outside_scope"]) == (["BTC*"], 1)
    saved = loads_plan(dumps(document))
    assert (saved.plan.scope, saved.plan.accounts[0].outside_scope) == (("BTC*",), 1)


def test_a_whole_plan_has_no_scope() -> None:
    async def act(scene: Scene) -> Plan:
        return await scene.plan(desired())

    made, _ = play(act)
    assert "cope" not in plan_text(made, color=False) + plan_markdown(made) + plan_annotations(made)
    assert plan_document(made)["scope"] == []


def test_a_saved_plan_that_hides_its_scope_is_refused() -> None:
    async def act(scene: Scene) -> Document:
        return plan_document(await scene.plan(desired(), targets=["BTC*"]))

    document, _ = play(act)
    document["scope"] = []
    with pytest.raises(Declined):
        loads_plan(plain_json.dumps(document))
    document["digest"] = digest_of(document)
    with pytest.raises(Exception, match="leaves addresses out, and the plan names no scope"):
        loads_plan(plain_json.dumps(document))


@pytest.mark.parametrize(
    ("moved", "converged", "differing", "said"),
    [
        ("0", True, 0, "1 other declared address is outside the scope (as declared)."),
        ("-100", False, 1, "1 other declared address is outside the scope (it differs)."),
    ],
)
def test_converged_is_about_everything_that_is_declared(
    *, moved: str, converged: bool, differing: int, said: str
) -> None:
    async def act(scene: Scene) -> Result:
        if moved != "0":
            scene.by_hand(OTHER, moved)
        return await applied(scene, ["BTC*"])

    result, scene = play(act)
    (account,) = result.accounts
    assert (result.exit_code, account.converged, account.outside_differing) == (0, converged, differing)
    last = conclusion(result)
    assert last == f"DONE within the scope BTC*: 1 step applied and verified. {said}"
    assert result_text(result, color=False).endswith(f"{last}\n")
    assert scene.margin(LONG) == 4500
    assert result_document(result)["scope"] == ["BTC*"]


def test_a_part_in_sync_is_not_said_of_the_whole() -> None:
    async def act(scene: Scene) -> Result:
        scene.by_hand(OTHER, "-100")
        await applied(scene, ["BTC*"])
        return await applied(scene, ["BTC*"])

    result, _ = play(act)
    assert not result.accounts[0].converged
    assert conclusion(result).startswith(
        "IN SYNC within the scope BTC*: nothing had to be sent, and nothing was. 1 other"
    )


def test_a_saved_plan_of_a_part_does_not_claim_that_the_rest_is_as_declared() -> None:
    async def act(scene: Scene) -> Result:
        return await scene.apply_saved(await scene.saved(desired(), targets=["BTC*"]))

    result, _ = play(act)
    (account,) = result.accounts
    assert (result.exit_code, account.converged, account.outside_differing) == (0, False, None)
    assert "1 other declared address is outside the scope (not checked)." in conclusion(result)


@pytest.mark.parametrize(
    ("targets", "listed", "told"), [(["BTC*", "ETH*"], ["BTC*", "ETH*"], "BTC*, ETH*"), ([], [], "")]
)
def test_an_auditor_is_told_the_scope_of_a_run(targets: list[str], listed: list[str], told: str) -> None:
    async def act(scene: Scene) -> tuple[Run, ...]:
        result = await applied(scene, targets)
        return tuple(find_runs(scene.world().store, result.run_id, on_break=lambda _: None))

    runs, _ = play(act)
    document = run_document(runs)
    check(document)
    assert document["accounts"][0]["scope"] == listed
    assert (f"  scope: {told}\n" in run_text(runs)) is bool(targets)
    assert ("| scope | " in run_markdown(runs)) is bool(targets)


def test_the_journal_has_the_scope_of_a_run() -> None:
    async def act(scene: Scene) -> list[object]:
        await applied(scene, ["BTC*"])
        world = scene.world()
        lines = world.store.lines(world.store.identities()[0])
        return [line["details"]["scope"] for line in lines if line["kind"] == "run_started"]

    assert play(act)[0] == [["BTC*"]]


def test_what_a_killed_run_left_and_this_run_settled_is_in_every_format_of_its_result() -> None:
    async def act(scene: Scene) -> Result:
        with pytest.raises(Killed):
            await scene.apply(desired(), scene.victim())
        return await scene.apply(desired())

    result, scene = play(act)
    (step,) = result.accounts[0].settled
    assert (str(step.address), step.outcome, step.before, step.after) == (LONG, "applied", "3000", "4500")
    assert scene.moved_by_calls()[0][0] == LONG
    assert len(scene.moved_by_calls()) == 1
    shown = result_text(result, color=False)
    assert "settled from an earlier run:\n    ✓ BTCUSDT.long  3000 → 4500  +1500 USDT  applied: " in shown
    assert shown.endswith("nothing had to be sent, and nothing was. Settled from an earlier run: 1 applied.\n")
    assert "| **applied** | <code>BTCUSDT.long</code> | 3000 | 4500 | +1500 USDT |" in result_markdown(result)
    assert "title=BTCUSDT.long::add_margin of an earlier run applied: " in result_annotations(result)
    (document,) = result_document(result)["accounts"][0]["settled"]
    assert (document["amount"], document["outcome"]) == ("1500", "applied")
