"""A plan says what is looser than at the account's last apply, and how its account is treated unusually."""

from dataclasses import replace
from decimal import Decimal

from reconcile.model.account import ColdStart, DesiredAccount
from reconcile.model.plan import LooserLimit, Plan
from reconcile.render.common.json import dumps
from reconcile.render.plan.github import plan_annotations
from reconcile.render.plan.json import plan_document
from reconcile.render.plan.markdown import plan_markdown
from reconcile.render.plan.saved import loads_plan
from reconcile.render.plan.text import plan_text
from reconcile.usecases import apply as applying
from tests.kit.scene import Scene, desired, play

LONG = "BTCUSDT.long"
STRICT = desired({LONG: "3500"}, max_add=Decimal(1000))
LOOSE = desired({LONG: "3500"}, max_add=Decimal(2000))


def looser(plan: Plan) -> tuple[LooserLimit, ...]:
    """What it says of its one account."""
    (account,) = plan.accounts
    return account.looser


def test_a_plan_says_which_limit_is_looser_than_at_the_last_apply() -> None:
    async def raised(scene: Scene) -> Plan:
        assert looser(await scene.plan(STRICT)) == ()
        assert (await scene.apply(STRICT)).exit_code == 0
        assert looser(await scene.plan(STRICT)) == ()
        return await scene.plan(LOOSE)

    plan, _ = play(raised)
    assert looser(plan) == (LooserLimit(key="max_add", before="1000", after="2000"),)
    assert "  ! looser than at the last apply: max_add 1000 → 2000\n" in plan_text(plan, color=False)
    assert "> ⚠️ looser than at the last apply: max&#95;add 1000 → 2000" in plan_markdown(plan)
    assert (
        "::warning file=/nowhere/main.toml,title=max_add::looser than at the last apply: 1000 → 2000"
        in plan_annotations(plan)
    )
    assert looser(loads_plan(dumps(plan_document(plan))).plan) == looser(plan)


def test_the_apply_that_raises_a_limit_settles_it() -> None:
    async def settled(scene: Scene) -> tuple[Plan, Plan]:
        await scene.apply(STRICT)
        await scene.apply(LOOSE)
        return await scene.plan(LOOSE), await scene.plan(replace(LOOSE, grace_ms=5_000))

    for plan in play(settled)[0]:
        assert looser(plan) == ()


def test_an_override_of_one_run_is_not_what_the_next_plan_is_compared_with() -> None:
    async def overridden(scene: Scene) -> Plan:
        await scene.apply(STRICT)
        await applying.apply(
            scene.world(),
            [STRICT],
            overrides={"main": {"max_add": "9000"}},
            reason="approved by risk",
            git_commit=None,
            confirm=None,
        )
        return await scene.plan(LOOSE)

    plan, _ = play(overridden)
    assert looser(plan) == (LooserLimit(key="max_add", before="1000", after="2000"),)


def shown(account: DesiredAccount) -> str:
    """The plan of a live account as text; its header and what follows up to the first entry."""
    plan, _ = play(lambda scene: scene.plan(account))
    return plan_text(plan, color=False)


def test_what_is_not_the_exchanges_own_is_said() -> None:
    usual = shown(STRICT)
    assert usual.startswith("main: binance, live, hedge, credentials MAIN  (/nowhere/main.toml)\n")
    assert "  ! grace" not in usual
    assert "  ! grace" not in shown(replace(STRICT, grace_ms=5_000))
    assert "  ! grace is 7s (default 5s)\n" in shown(replace(STRICT, grace_ms=7_000))
    assert "  ! amount_step is 0.01, declared in the state file\n" in shown(
        replace(STRICT, amount_step=Decimal("0.01"))
    )
    local = replace(STRICT, endpoint="http://127.0.0.1:8080", cold_start=ColdStart.TRUST)
    assert "  ! cold_start is trust: requests that the journal does not know are not waited for\n" in shown(local)
    assert shown(replace(STRICT, endpoint="sandbox")).startswith(
        "main: binance, sandbox, hedge  (/nowhere/main.toml)\n"
    )
