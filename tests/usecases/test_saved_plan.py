"""A saved plan is used once, for its own account, and is a ceiling: never larger, never the other way."""

import json as plain_json
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconcile.errors import Declined, InputError
from reconcile.journal.records import RunStarted
from reconcile.model.account import Tolerance
from reconcile.model.plan import OutcomeKind, Result, SavedPlan
from reconcile.render.common.json import digest_of, dumps
from reconcile.render.plan.json import plan_document
from reconcile.render.plan.saved import loads_plan
from reconcile.sandbox.faults import Fault, FaultPlan, FaultRule
from reconcile.sandbox.http import Lag
from reconcile.sandbox.values import HUMAN
from reconcile.usecases import apply as applying
from tests.kit import cli as cli_kit
from tests.kit.scene import Scene, desired, play, the_error
from tests.simulation.machine import Killed

LONG = "BTCUSDT.long"


async def once(scene: Scene) -> Result:
    return await scene.apply_saved(await scene.saved(desired()))


D = Decimal


def test_a_reviewed_plan_brings_live_to_what_was_declared() -> None:
    result, scene = play(once)
    assert (result.exit_code, scene.margin(LONG)) == (0, Decimal(4500))
    assert result.accounts[0].converged


def test_a_used_plan_is_refused_though_nothing_else_changed() -> None:
    async def twice(scene: Scene) -> Result:
        saved = await scene.saved(desired())
        await scene.apply_saved(saved)
        scene.by_hand(LONG, "-1500")  # live is again what the plan was made from
        return await scene.apply_saved(saved)

    result, scene = play(twice)
    code, key, message = the_error(result)
    assert (code, key) == (4, "used")
    assert "used before; make a new plan" in message
    assert scene.margin(LONG) == 3000


def test_a_refused_used_plan_still_settles_what_a_killed_run_left() -> None:
    async def killed_then_again(scene: Scene) -> tuple[Result, int]:
        saved = await scene.saved(desired())
        with pytest.raises(Killed):
            await scene.apply_saved(saved, scene.victim())
        result = await scene.apply_saved(saved)
        world = scene.world()
        state = world.store.read(world.store.identities()[0])
        return result, len(state.unsettled)

    (result, unsettled), scene = play(killed_then_again)
    assert the_error(result)[:2] == (4, "used")
    assert unsettled == 0
    assert scene.margin(LONG) == 4500
    assert scene.moved_by_calls() == [(LONG, Decimal(1500))]


def test_a_plan_with_nothing_to_send_does_not_claim_that_drift_is_in_sync() -> None:
    async def drifted(scene: Scene) -> Result:
        saved = await scene.saved(desired({"ETHUSDT.long": "1500"}))
        scene.by_hand("ETHUSDT.long", "100")
        return await scene.apply_saved(saved)

    result, _ = play(drifted)
    code, key, message = the_error(result)
    assert (code, key, result.accounts[0].converged) == (4, "stale", False)
    assert message.endswith("this plan holds no changes; live has moved (ETHUSDT.long): plan again")
    assert result.accounts[0].requests["write"] == 0


def test_an_expired_plan_is_refused() -> None:
    async def late(scene: Scene) -> Result:
        saved = await scene.saved(desired(), expires_ms=60_000)
        await scene.pass_time(61_000)
        return await scene.apply_saved(saved)

    result, scene = play(late)
    assert the_error(result)[:2] == (4, "expired")
    assert scene.margin(LONG) == 3000


@pytest.mark.parametrize("identity", ["binance-live-another", None])
def test_a_plan_for_another_account_is_refused(identity: str | None) -> None:
    async def misdirected(scene: Scene) -> Result:
        saved = await scene.saved(desired())
        (account,) = saved.plan.accounts
        plan = replace(saved.plan, accounts=(replace(account, identity=identity),))
        return await scene.apply_saved(SavedPlan(plan=plan, digest=saved.digest))

    result, scene = play(misdirected)
    assert the_error(result)[:2] == (4, "account")
    assert scene.margin(LONG) == 3000


def test_a_plan_is_stale_when_its_state_file_changed(tmp_path: Path) -> None:
    file = tmp_path / "main.toml"
    file.write_text("reviewed")

    async def edited(scene: Scene) -> Result:
        saved = await scene.saved(desired(path=file))
        file.write_text("edited")
        return await scene.apply_saved(saved)

    result, scene = play(edited)
    code, key, message = the_error(result)
    assert (code, key) == (4, "stale")
    assert str(file) in message
    assert scene.margin(LONG) == 3000


def test_a_state_file_that_cannot_be_compared_counts_as_changed(tmp_path: Path) -> None:
    file = tmp_path / "main.toml"
    file.write_text("reviewed")

    async def hidden(scene: Scene) -> Result:
        saved = await scene.saved(desired(path=file))
        file.unlink()
        file.mkdir()
        return await scene.apply_saved(saved)

    result, _ = play(hidden)
    assert the_error(result)[:2] == (4, "stale")


@pytest.mark.parametrize("there", [True, False])
def test_the_result_says_whether_the_state_file_was_compared(tmp_path: Path, there: bool) -> None:  # noqa: FBT001
    file = tmp_path / "main.toml"
    file.write_text("reviewed")

    async def elsewhere(scene: Scene) -> Result:
        saved = await scene.saved(desired(path=file))
        if not there:
            file.unlink()
        return await scene.apply_saved(saved)

    result, scene = play(elsewhere)
    assert (result.exit_code, result.accounts[0].state_file_checked) == (0, there)
    assert any("without comparing it" in line for line in scene.place.progress) is not there


@pytest.mark.parametrize(
    ("moved", "sent"),
    [
        pytest.param("20", "1480", id="nearer: the fresh difference"),
        pytest.param("-20", "1500", id="farther: the plan is a ceiling"),
        pytest.param("-50", "1500", id="at the edge of the tolerance"),
    ],
)
def test_a_move_within_the_tolerance_sends_the_fresh_difference_at_most(moved: str, sent: str) -> None:
    async def nudged(scene: Scene) -> Result:
        saved = await scene.saved(desired(tolerance="50"))
        scene.by_hand(LONG, moved)
        return await scene.apply_saved(saved)

    result, scene = play(nudged)
    assert result.accounts[0].steps[0].outcome is OutcomeKind.APPLIED
    assert scene.moved_by_calls()[1:] == [(LONG, Decimal(sent))]
    assert scene.margin(LONG) == 3000 + Decimal(moved) + Decimal(sent)


@pytest.mark.parametrize("moved", ["-100", "100", "1500", "2000"])
def test_a_move_beyond_the_tolerance_refuses_the_account_and_says_from_what_to_what(moved: str) -> None:
    async def pushed(scene: Scene) -> Result:
        saved = await scene.saved(desired({LONG: "4500", "ETHUSDT.long": "1600"}))
        scene.by_hand(LONG, moved)
        return await scene.apply_saved(saved)

    result, scene = play(pushed)
    code, key, message = the_error(result)
    assert (code, key) == (4, "stale")
    assert f"{LONG}: margin moved from 3000 to {3000 + int(moved)}" in message
    assert scene.moved_by_calls() == [(LONG, Decimal(moved))], "the other step was not sent either"


def test_a_tolerance_by_asset_is_saved_as_that_of_the_positions_asset() -> None:
    """The smallest of the table is another asset's: it would make a plan stale at the next funding."""

    async def act(scene: Scene) -> tuple[SavedPlan, Result]:
        made = desired({"BTCUSDT.long": "3100", "ETHUSDT.long": "1503"})
        by_asset = Tolerance(value=D("0.0001"), percent=False, shared={"USDT": D(5), "BTC": D("0.0001")})
        made = replace(made, targets=tuple(replace(target, tolerance=by_asset) for target in made.targets))
        saved = await scene.saved(made)
        scene.fund("BTCUSDT.long", "-0.5")
        await scene.pass_time(60_000)
        return saved, await scene.apply_saved(saved)

    (saved, result), scene = play(act)
    entries = plan_document(saved.plan)["accounts"][0]["entries"]
    assert [(entry["status"], entry["desired"]["tolerance"]) for entry in entries[:2]] == [
        ("change", "5"),
        ("in_sync", "5"),
    ]
    assert (result.exit_code, scene.margin("BTCUSDT.long")) == (0, D("3099.5"))


def test_a_closed_position_makes_its_plan_stale() -> None:
    async def closed(scene: Scene) -> Result:
        saved = await scene.saved(desired())
        scene.place.books.close_position("BTCUSDT", "long", now_ms=scene.now_ms(), size=None, price=None, by=HUMAN)
        return await scene.apply_saved(saved)

    result, _ = play(closed)
    code, key, message = the_error(result)
    assert (code, key) == (4, "stale")
    assert "closed since the plan" in message


@settings(max_examples=40, deadline=None)
@given(
    wanted=st.decimals(min_value=2600, max_value=4900, places=2),
    moved=st.decimals(min_value=-60, max_value=60, places=2).filter(bool),
)
def test_what_is_sent_is_never_more_than_reviewed_and_never_the_other_way(wanted: Decimal, moved: Decimal) -> None:
    async def nudged(scene: Scene) -> tuple[Decimal, Result]:
        saved = await scene.saved(desired({LONG: str(wanted)}, tolerance="40"))
        (entry,) = (entry for entry in saved.plan.accounts[0].entries if str(entry.address) == LONG)
        scene.by_hand(LONG, str(moved))
        ceiling = sum((step.signed for step in entry.steps if hasattr(step, "signed")), Decimal(0))
        return ceiling, await scene.apply_saved(saved)

    (ceiling, result), scene = play(nudged)
    ours = sum((change for _, change in scene.moved_by_calls()[1:]), Decimal(0))
    assert abs(ours) <= abs(ceiling)
    assert ours * ceiling >= 0
    assert ours == 0 or result.exit_code in {0, 3}


def test_overrides_travel_in_the_plan_and_are_recorded_with_the_reason() -> None:
    async def lifted(scene: Scene) -> tuple[Result, RunStarted | None]:
        saved = await scene.saved(desired(max_add=Decimal(1000)), overrides={"max_add": "2000"})
        result = await scene.apply_saved(saved)
        world = scene.world()
        return result, world.store.read(world.store.identities()[0]).last_run

    (result, run), scene = play(lifted)
    assert (result.exit_code, scene.margin(LONG)) == (0, Decimal(4500))
    assert dict(result.overrides) == {"max_add": "2000"}
    assert run is not None
    assert run.details.overrides == {"max_add": "2000"}
    assert run.details.reason == "reviewed"
    assert run.details.policy is not None
    assert run.details.policy["max_add"] == "2000"


def test_an_override_of_an_apply_is_recorded_with_its_reason_and_holds_for_that_run_only() -> None:
    async def lifted_once(scene: Scene) -> tuple[Result, RunStarted | None, int]:
        account = desired(max_add=Decimal(1000))
        result = await applying.apply(
            scene.world(),
            [account],
            overrides={"main": {"max_add": "2000"}},
            reason="approved by risk",
            git_commit=None,
            confirm=None,
        )
        world = scene.world()
        run = world.store.read(world.store.identities()[0]).last_run
        later = await scene.apply(desired({LONG: "6000"}, max_add=Decimal(1000)))
        return result, run, later.exit_code

    (result, run, later), _ = play(lifted_once)
    assert (result.exit_code, later) == (0, 3)
    assert run is not None
    assert (run.details.overrides, run.details.reason) == ({"max_add": "2000"}, "approved by risk")


def test_without_the_override_the_same_step_is_blocked() -> None:
    async def limited(scene: Scene) -> Result:
        return await scene.apply_saved(await scene.saved(desired(max_add=Decimal(1000))))

    result, scene = play(limited)
    assert (result.exit_code, scene.margin(LONG)) == (3, Decimal(3000))
    assert [entry.blocked_by for entry in result.accounts[0].remaining] == ["max_add"]


def test_a_plan_of_selected_targets_touches_nothing_else() -> None:
    async def selected(scene: Scene) -> Result:
        saved = await scene.saved(desired({LONG: "4500", "ETHUSDT.long": "1600"}), targets=["ETH*"])
        return await scene.apply_saved(saved)

    result, scene = play(selected)
    assert (result.exit_code, scene.moved_by_calls()) == (0, [("ETHUSDT.long", Decimal(100))])


def test_an_account_that_was_refused_when_planned_is_refused_when_applied() -> None:
    async def refused(scene: Scene) -> Result:
        return await scene.apply_saved(await scene.saved(desired(max_total_add=Decimal(1000))))

    result, scene = play(refused)
    assert the_error(result)[:2] == (4, "max_total_add")
    assert scene.margin(LONG) == 3000


# The file.


def test_a_plan_that_was_edited_is_refused() -> None:
    async def planned(scene: Scene) -> SavedPlan:
        document = plan_document(await scene.plan(desired()))
        document["accounts"][0]["entries"][0]["steps"][0]["amount"] = "15000"
        return loads_plan(dumps(document))

    with pytest.raises(Declined, match="changed after it was saved"):
        play(planned)


def forged(change: Callable[[dict[str, Any]], object]) -> str:
    """A saved plan with a change in its first account, and a digest that fits."""

    async def planned(scene: Scene) -> dict[str, Any]:
        return plain_json.loads(dumps(plan_document(await scene.plan(desired()))))  # type: ignore[no-any-return]

    document, _ = play(planned)
    change(document["accounts"][0])
    document["accounts"] += document["accounts"][0].pop("twice", [])
    return plain_json.dumps({**document, "digest": digest_of(document)})


AN_ERROR = {"key": "exchange", "message": "unreadable", "asset": None, "limit": None, "value": None}

FORGERIES: Mapping[str, Callable[[dict[str, Any]], object]] = {
    "a step of what is not declared": lambda account: account["entries"][0].update(desired=None),
    "a step of a margin that is not declared": lambda account: account["entries"][0]["desired"].update(
        isolated_margin=None
    ),
    "a step without its asset": lambda account: account["entries"][0].update(asset=None),
    "a negative margin": lambda account: account["entries"][0]["desired"].update(isolated_margin="-1"),
    "a negative tolerance": lambda account: account["entries"][0]["desired"].update(tolerance="-1"),
    "a side that the mode does not have": lambda account: account["entries"][0].update(address="BTCUSDT.net"),
    "one address twice": lambda account: account["entries"][1].update(address="BTCUSDT.long"),
    "one account twice": lambda account: account.update(twice=[plain_json.loads(plain_json.dumps(account))]),
    "another type than declared": lambda account: account["entries"][0]["desired"].update(margin_type="crossed"),
    "errors beside steps": lambda account: account.update(errors=[AN_ERROR], exit_code=1),
    "errors beside steps, without an exit code": lambda account: account.update(errors=[AN_ERROR]),
    "errors that end well": lambda account: account.update(errors=[AN_ERROR], order=[]),
    "an exit code without errors": lambda account: account.update(exit_code=4),
    "an exit code that no account ends with": lambda account: account.update(exit_code=77, errors=[AN_ERROR], order=[]),
    "steps that are in no order": lambda account: account.update(order=[]),
    "a step of what is in sync": lambda account: account["entries"][0].update(status="in_sync"),
    "a step of what is held": lambda account: account["entries"][0].update(status="held"),
    "a step of what is blocked": lambda account: account["entries"][0].update(status="blocked", blocked_by="max_add"),
    "a change without a step": lambda account: account["entries"][1].update(status="change"),
    "a larger amount than the difference": lambda account: account["entries"][0]["steps"][0].update(amount="15000"),
    "the other way": lambda account: account["entries"][0]["steps"][0].update(action="reduce_margin"),
    "from elsewhere": lambda account: account["entries"][0]["steps"][0].update(before="2000", after="3500"),
    "another declared margin than the step's": lambda account: account["entries"][0]["desired"].update(
        isolated_margin="3100"
    ),
    "no look": lambda account: account.update(observed_at=None),
    "steps of no account": lambda account: account.update(identity=None),
    "a time before the calendar": lambda account: account.update(observed_at="0001-01-01T00:00:00+23:59"),
    "a time behind the calendar": lambda account: account.update(observed_at="9999-12-31T23:59:59-23:59"),
    "half a pair in a name": lambda account: account.update(account="\ud800"),
    "half a pair in a reason": lambda account: account["entries"][1].update(reason="\udfff"),
    "half a pair in a key": lambda account: account["available"].update({"\ud800": "1"}),
    "an amount in another notation": lambda account: account["available"].update(USDT="1e3"),
    "a number for a text": lambda account: account.update(state_file=7),
}

PLAN_FORGERIES: Mapping[str, dict[str, Any]] = {
    "sums that are not those of its steps": {"summary": {"change": 0}},
    "a life of a thousand years": {"expires_at": "3026-01-01T00:00:00.000Z"},
    "an end before its beginning": {"expires_at": "1999-01-01T00:00:00.000Z"},
    "an override that is no text": {"overrides": {"max_add": 7}},
}


@pytest.mark.parametrize("forgery", PLAN_FORGERIES)
def test_a_plan_that_says_of_itself_what_is_not_so_is_no_plan(forgery: str) -> None:
    document = plain_json.loads(forged(lambda _: None))
    for key, value in PLAN_FORGERIES[forgery].items():
        document[key] = {**document[key], **value} if isinstance(value, dict) else value
    with pytest.raises(InputError, match="make a new plan"):
        loads_plan(plain_json.dumps({**document, "digest": digest_of(document)}))


def test_a_plan_that_is_nested_without_end_is_no_plan() -> None:
    text = '{"format": "reconcile.plan/1", "x": ' + "[" * 5_000 + "]" * 5_000 + "}"
    with pytest.raises(InputError, match="reading the saved plan"):
        loads_plan(text)


def test_a_state_file_whose_name_is_not_utf_8_can_be_in_a_plan() -> None:
    saved = loads_plan(forged(lambda account: account.update(state_file="states/\udcff.toml")))
    assert saved.plan.accounts[0].desired.path == "states/\udcff.toml"


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_plan_that_declares_nothing_for_its_steps_is_no_plan_whatever_its_digest(forgery: str) -> None:
    text = forged(FORGERIES[forgery])
    with pytest.raises(InputError, match="make a new plan"):
        loads_plan(text)


@pytest.mark.parametrize(
    "change",
    [
        {"account": "../demo"},
        {"credentials": "../MAIN"},
        {"grace_ms": 0},
        {"grace_ms": -5000},
        {"grace_ms": 4999, "endpoint": "live"},
        {"grace_ms": 4999, "endpoint": "http://127.0.0.1:1", "cold_start": "wait"},
        {"cold_start": "trust", "endpoint": "testnet"},
        {"amount_step": "0"},
        {"amount_step": "-1"},
        {"product": "SPOT"},
        {"state_file": "a\0b"},
    ],
    ids=str,
)
def test_a_plan_for_what_no_state_file_can_say_is_refused_whatever_its_digest(
    tmp_path: Path, plan_file: Path, change: dict[str, Any]
) -> None:
    document = plain_json.loads(plan_file.read_text())
    document["accounts"][0] |= change
    plan_file.write_text(plain_json.dumps({**document, "digest": digest_of(document)}))
    ended = cli_kit.run(tmp_path, "apply", str(plan_file), "--auto-approve")
    assert (ended.code, "reading the saved plan" in ended.err) == (1, True)


@pytest.fixture
def plan_file(tmp_path: Path) -> Path:
    state = tmp_path / "demo.toml"
    state.write_text(
        'version = 1\n[account]\nname = "demo"\nexchange = "binance"\nposition_mode = "hedge"\nendpoint = "sandbox"\n'
        "[positions.BTCUSDT.long]\nisolated_margin = 4500\n"
    )
    file = tmp_path / "plan.json"
    assert cli_kit.run(tmp_path, "plan", str(state), "--out", str(file)).code == 0
    return file


def test_apply_refuses_a_plan_with_another_digest_than_the_reviewed_one(tmp_path: Path, plan_file: Path) -> None:
    ended = cli_kit.run(tmp_path, "apply", str(plan_file), "--auto-approve", "--digest", f"sha256:{'0' * 64}")
    assert ended.code == 4
    assert "not the reviewed one" in ended.err


def test_apply_takes_the_plan_with_the_reviewed_digest(tmp_path: Path, plan_file: Path) -> None:
    digest = plain_json.loads(plan_file.read_text())["digest"]
    ended = cli_kit.run(tmp_path, "apply", str(plan_file), "--auto-approve", "--digest", digest)
    assert ended.code == 0, ended.err


@pytest.mark.parametrize("option", [("--override", "max_add=1"), ("--target", "BTC*")])
def test_a_plan_takes_neither_overrides_nor_targets(tmp_path: Path, plan_file: Path, option: tuple[str, str]) -> None:
    ended = cli_kit.run(tmp_path, "apply", str(plan_file), "--auto-approve", "--reason", "x", *option)
    assert ended.code == 64


@pytest.mark.parametrize("change", ["amount", "expires_at", "identity", "endpoint", "digest"])
def test_a_plan_file_with_any_value_changed_is_refused(tmp_path: Path, plan_file: Path, change: str) -> None:
    text = plan_file.read_text()
    at = text.index(f'"{change}": "') + len(change) + 5
    plan_file.write_text(text[:at] + ("9" if text[at] != "9" else "8") + text[at + 1 :])
    ended = cli_kit.run(tmp_path, "apply", str(plan_file), "--auto-approve")
    assert ended.code == 4
    assert "changed after it was saved" in ended.err


def test_a_plan_of_a_later_format_is_an_error() -> None:
    with pytest.raises(InputError, match=r"reconcile\.plan/2"):
        loads_plan('{"format": "reconcile.plan/2"}')


def test_a_saved_plan_without_steps_is_not_in_place_by_a_reading_from_before_our_own_step() -> None:
    async def act(scene: Scene) -> tuple[int, bool, list[str]]:
        saved = await scene.saved(desired({LONG: "3000"}))
        await scene.apply(desired({LONG: "3500"}))
        scene.place.venue.faults = FaultPlan([FaultRule(fault=Fault(lag=Lag(positions_ms=45_000)), method="GET")])
        world = replace(scene.world(), lock_timeout_ms=0)
        accounts = [account.desired for account in saved.plan.accounts]
        ended = await applying.apply(world, accounts, reason=None, git_commit=None, confirm=None, saved=saved)
        result = ended.accounts[0]
        return result.exit_code, result.converged, [f"{entry.address} {entry.status}" for entry in result.remaining]

    found, scene = play(act)
    assert found == (3, False, [f"{LONG} held"])
    assert scene.margin(LONG) == 3500
