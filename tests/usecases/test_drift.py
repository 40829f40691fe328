"""Drift is live against what was last applied, with its causes; a plan carries the same words as its reasons."""

import asyncio
import json as plain_json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from reconcile.exchanges.binance.adapter import Binance
from reconcile.exchanges.http.wire import HttpRequest
from reconcile.model.account import Address, DesiredAccount, MarginType, ObservedAccount, Side
from reconcile.model.drift import AccountDrift, Share
from reconcile.render import drift as render
from reconcile.render.common.page import LIMIT
from reconcile.sandbox.faults import Fault, FaultPlan, FaultRule
from reconcile.sandbox.http import Lag
from reconcile.sandbox.registry import SIMULATED
from reconcile.usecases import drift as workflow
from reconcile.usecases import plan as planning
from reconcile.usecases.explain import MOST_EXPLAINED
from tests.kit import cli as cli_kit
from tests.kit import desk
from tests.kit.documents import check
from tests.kit.scene import HOUR_MS, Scene, desired, play
from tests.simulation.machine import Killed
from tests.simulation.world import declared

LONG = "BTCUSDT.long"
DEMO: dict[str, str] = {LONG: "4500", "BTCUSDT.short": "2000", "ETHUSDT.long": "1500", "LINKUSDT.long": "600"}


def demo(exchange: str, targets: Mapping[str, str] | None = None) -> DesiredAccount:
    """The demo account of an exchange; one isolated position of it unless told otherwise."""
    place = {"okx": "BTC-USDT-SWAP.long"}.get(exchange, LONG)
    return declared(exchange, targets or {place: "3000"})


async def look(scene: Scene, account: DesiredAccount) -> AccountDrift:
    (found,) = await workflow.drift(scene.world(), [account])
    return found


def lines(found: AccountDrift) -> list[str]:
    return [line.strip() for line in render.text([found]).splitlines() if "USDT.long" in line or "USDT.short" in line]


def test_drift_says_what_moved_since_the_last_apply_and_why() -> None:
    async def moved(scene: Scene) -> AccountDrift:
        await scene.apply(desired(DEMO))
        await scene.pass_time(10 * 60_000)
        scene.fund(LONG, "-4.2")
        scene.by_hand(LONG, "-10")
        return await look(scene, desired(DEMO))

    found, _ = play(moved)
    assert lines(found) == [f"{LONG} −14.2 USDT: funding −4.2, manual −10 at 00:10"]
    assert found.has_drifted


def test_what_is_declared_but_not_yet_applied_is_no_drift() -> None:
    async def edited(scene: Scene) -> AccountDrift:
        await scene.apply(desired(DEMO))
        return await look(scene, desired({**DEMO, LONG: "4800", "ETHUSDT.long": "1600", "LINKUSDT.long": "700"}))

    found, _ = play(edited)
    assert not found.has_drifted
    assert {str(entry.address): entry.drift for entry in found.entries} == dict.fromkeys(DEMO, Decimal(0))


def test_a_lost_journal_never_reads_as_no_drift() -> None:
    async def unknown(scene: Scene) -> AccountDrift:
        return await look(scene, desired({LONG: "4500"}))

    found, _ = play(unknown)
    (entry,) = found.entries
    assert (entry.baseline, entry.expected, entry.drift) == ("declared", Decimal(4500), Decimal(-1500))
    assert entry.causes == (Share(cause="unexplained", amount=Decimal(-1500)),)


def test_drift_within_the_tolerance_is_shown_and_is_not_counted() -> None:
    async def nudged(scene: Scene) -> AccountDrift:
        await scene.apply(desired(DEMO, tolerance="5"))
        scene.by_hand(LONG, "-4")
        return await look(scene, desired(DEMO, tolerance="5"))

    found, _ = play(nudged)
    assert not found.has_drifted
    assert lines(found) == [f"{LONG} −4 USDT: manual −4 at 00:00  (within the tolerance of 5)"]


def test_a_closed_position_has_drifted_by_all_of_its_margin() -> None:
    async def closed(scene: Scene) -> AccountDrift:
        await scene.apply(desired(DEMO))
        scene.place.books.close_position("LINKUSDT", "long", now_ms=scene.now_ms())
        return await look(scene, desired(DEMO))

    found, _ = play(closed)
    (entry,) = (entry for entry in found.entries if entry.address.symbol == "LINKUSDT")
    assert (entry.observed, entry.drift) == (Decimal(0), Decimal(-600))
    assert sum(share.amount for share in entry.causes) == -600


@pytest.mark.parametrize("exchange", list(SIMULATED))
def test_a_reading_that_may_predate_our_own_step_is_no_drift_but_held(exchange: str) -> None:
    async def late(scene: Scene) -> AccountDrift:
        place = next(str(target.address) for target in demo(exchange).targets)
        before = scene.margin(place)
        account = demo(exchange, {place: str(before + 500)})
        await scene.apply(account)
        scene.place.venue.faults = FaultPlan([FaultRule(fault=Fault(lag=Lag(positions_ms=90_000)), method="GET")])
        found = await look(scene, demo(exchange, {place: str(before)}))
        assert scene.margin(place) >= before + 499
        return found

    found, _ = play(late, Scene(exchange=exchange))
    (entry,) = found.entries
    assert (entry.drift <= -499, entry.is_beyond, found.has_drifted, found.is_unknown) == (True, False, False, True)
    assert entry.held is not None
    assert entry.held.by == "adds up"
    shown = render.text([found]).splitlines()
    assert f"{entry.address} held: the margin reads" in shown[1]
    assert "Drift: 1 held, 0 compared (times are UTC)." in shown
    assert render.document([found])["accounts"][0]["entries"][0]["held"] == entry.held.reason
    assert f"| <code>{entry.address}</code> |" in render.markdown([found])
    assert "| held | the margin reads" in render.markdown([found])
    assert "::held: the margin reads" in render.github([found])
    check(render.document([found]))


def test_a_reading_that_is_late_for_a_moment_is_waited_for() -> None:
    async def late(scene: Scene) -> AccountDrift:
        await scene.apply(desired({LONG: "4500"}))
        behind = Fault(lag=Lag(positions_ms=20_000))
        scene.place.venue.faults = FaultPlan([FaultRule(fault=behind, path="*positionRisk", nth=(1, 2))])
        return await look(scene, desired({LONG: "4500"}))

    found, _ = play(late)
    assert [(entry.drift, entry.held) for entry in found.entries] == [(Decimal(0), None)]


def test_a_step_that_a_run_takes_while_drift_reads_is_no_drift_but_unknown() -> None:
    slow = FaultRule(fault=Fault(arrives_ms=(8_000,), answer_ms=8_000), path="*positionRisk", nth=(1,))

    async def beside(scene: Scene) -> AccountDrift:
        reading = asyncio.ensure_future(look(scene, desired({LONG: "3000"})))
        await scene.pass_time(1_000)
        assert (await scene.apply(desired({LONG: "3500"}))).exit_code == 0
        return await reading

    found, scene = play(beside, Scene(faults=FaultPlan([slow])))
    (entry,) = found.entries
    assert scene.margin(LONG) == 3500
    assert (entry.observed, entry.is_beyond, found.is_unknown) == (Decimal(3500), False, True)
    assert entry.held is not None
    assert entry.held.reason == "a run was at work on it while it was read; look again when that run has ended"


def test_drift_sends_no_write() -> None:
    methods: set[str] = set()

    async def watched(scene: Scene) -> None:
        process = scene.process()
        process.before = lambda request: methods.add(request.method)
        await workflow.drift(scene.world(process), [desired(DEMO)])

    play(watched)
    assert methods == {"GET"}


# As the reason of a change.


def reasons(plan: Any) -> dict[str, str]:
    return {str(e.address): e.reason for e in plan.accounts[0].entries if e.status == "change"}


@pytest.mark.parametrize(
    ("declared", "moved", "expected"),
    [
        pytest.param("4500", "-40", "drifted −40: manual −40 at 00:10", id="drifted"),
        pytest.param("4800", None, "declared 4500 → 4800", id="declared anew"),
        pytest.param("4800", "-40", "declared 4500 → 4800; drifted −40: manual −40 at 00:10", id="both"),
    ],
)
def test_a_plan_says_why_a_change_is_needed(declared: str, moved: str | None, expected: str) -> None:
    async def planned(scene: Scene) -> Any:
        await scene.apply(desired(DEMO))
        await scene.pass_time(10 * 60_000)
        if moved is not None:
            scene.by_hand(LONG, moved)
        return await scene.plan(desired({**DEMO, LONG: declared}))

    plan, _ = play(planned)
    assert reasons(plan) == {LONG: expected}


def test_a_first_plan_gives_no_reasons() -> None:
    async def planned(scene: Scene) -> Any:
        return await scene.plan(desired(DEMO))

    plan, _ = play(planned)
    assert set(reasons(plan).values()) == {""}


def ledger_reads(seen: Sequence[HttpRequest]) -> int:
    return sum(1 for request in seen if "positionMargin/history" in request.url)


def test_planning_asks_the_ledger_for_a_few_drifted_addresses_only() -> None:
    every = {f"{symbol}USDT.long": "500" for symbol in ("BTC", "ETH", "DOGE", "LINK", "BNB")}
    every = {LONG: "3000", "BTCUSDT.short": "2500", "ETHUSDT.long": "1500", "DOGEUSDT.long": "800"}
    every |= {"LINKUSDT.long": "600", "BNBUSDT.long": "400"}

    async def planned(scene: Scene) -> tuple[Any, int]:
        account = desired(every)
        await scene.apply(account)
        for address in every:
            scene.by_hand(address, "20")
        await scene.pass_time(60_000)
        seen: list[HttpRequest] = []
        process = scene.process()
        process.before = seen.append
        plan = await planning.plan(
            scene.world(process), [account], targets=(), overrides={}, expires_ms=HOUR_MS, git_commit=None
        )
        return plan, ledger_reads(seen)

    (plan, asked), _ = play(planned)
    texts = list(reasons(plan).values())
    assert len(texts) == len(every) > MOST_EXPLAINED == asked
    assert [text for text in texts if "see reconcile drift" in text] == ["drifted +20: see reconcile drift"]


def test_a_plan_that_asks_no_ledger_reads_nothing_more_than_before() -> None:
    """Soon after a step it asks once for each address that differs, since the reading may be from before the step."""

    async def planned(scene: Scene) -> tuple[int, int]:
        await scene.apply(desired(DEMO))
        return await asked(scene), await asked(scene, after_ms=60_000)

    async def asked(scene: Scene, after_ms: int = 10_000) -> int:
        await scene.pass_time(after_ms)
        seen: list[HttpRequest] = []
        process = scene.process()
        process.before = seen.append
        account = desired({**DEMO, LONG: "4600"})
        await planning.plan(
            scene.world(process), [account], targets=(), overrides={}, expires_ms=HOUR_MS, git_commit=None
        )
        return ledger_reads(seen)

    assert play(planned)[0] == (1, 0)


def test_every_declared_address_is_listed_with_what_is_known_of_it() -> None:
    only = "only its margin type is declared"
    account = desired({LONG: "3000", "ETHUSDT.short": "700"})
    types = [("SOLUSDT.long", "isolated"), ("ETHUSDT.long", "isolated"), ("BTCUSDT.short", "crossed")]
    targets = tuple(desk.target(place, kind=MarginType(kind)) for place, kind in types)
    account = replace(account, targets=(*account.targets, *targets))
    found, _ = play(lambda scene: look(scene, account))
    assert [str(entry.address) for entry in found.entries] == [LONG]
    assert {each.blocked_by for each in found.not_compared} == {None}
    assert {str(each.address): each.reason for each in found.not_compared} == {
        "ETHUSDT.short": "no open position, and reconcile never applied one",
        "SOLUSDT.long": f"{only}: isolated, but the exchange has crossed (see reconcile plan); no open position",
        "ETHUSDT.long": f"{only}: isolated; the position is open",
        "BTCUSDT.short": f"{only}: crossed, but the exchange has isolated (see reconcile plan); the position is open",
    }
    assert [workflow.exit_code(found, detailed=detailed) for detailed in (False, True)] == [0, 0]
    text = render.text([found])
    assert "  ETHUSDT.short not compared: no open position, and reconcile never applied one\n" in text
    assert text.endswith("Drift: no drift beyond tolerance, 1 compared, 4 with nothing to compare (times are UTC).\n")
    assert render.markdown([found]).count("not compared: ") == 4
    assert render.github([found]) == ""
    check(render.document([found]))


def test_an_address_with_nothing_to_compare_is_unknown_while_a_step_on_it_is_open() -> None:
    account = replace(desired({}), targets=(desk.target(LONG),))

    async def killed(scene: Scene) -> AccountDrift:
        with pytest.raises(Killed):
            await scene.apply(desired({LONG: "4500"}), scene.victim())
        return await look(scene, account)

    found, _ = play(killed)
    (each,) = found.not_compared
    assert each.held is not None
    assert [workflow.exit_code(found, detailed=detailed) for detailed in (False, True)] == [0, 5]
    assert "\nDrift: 1 unknown, 0 compared (times are UTC).\n" in render.text([found])
    assert "::warning" in render.github([found])


def test_a_row_that_cannot_be_used_is_never_told_as_a_closed_position(monkeypatch: pytest.MonkeyPatch) -> None:
    place = Address("BTCUSDT", Side.LONG)
    observe = Binance.observe

    async def odd(self: Binance, *given: Any, **named: Any) -> ObservedAccount:
        seen = await observe(self, *given, **named)
        kept = {address: held for address, held in seen.positions.items() if address != place}
        return replace(seen, positions=kept, unusable={place: "field 'isolatedWallet' is not a number"})

    async def unusable(scene: Scene) -> AccountDrift:
        await scene.apply(desired(DEMO))
        await scene.pass_time(10 * 60_000)
        with monkeypatch.context() as patch:
            patch.setattr(Binance, "observe", odd)
            return await look(scene, desired(DEMO))

    found, _ = play(unusable)
    assert [str(entry.address) for entry in found.entries] == [address for address in DEMO if address != LONG]
    (missing,) = found.not_compared
    assert (str(missing.address), missing.blocked_by) == (LONG, "unusable")
    assert "isolatedWallet" in missing.reason
    assert [workflow.exit_code(found, detailed=detailed) for detailed in (False, True)] == [0, 3]
    check(render.document([found]))


# As documents.


def shown() -> AccountDrift:
    async def moved(scene: Scene) -> AccountDrift:
        account = desired(DEMO, tolerance="12")
        await scene.apply(account)
        scene.fund(LONG, "-4.2")
        scene.by_hand(LONG, "-10")
        scene.by_hand("ETHUSDT.long", "3")
        found = await look(scene, account)
        return replace(found, state_file="states/main.toml")

    return play(moved)[0]


def test_the_json_is_that_of_the_contract() -> None:
    document = render.document([shown()])
    check(document)
    (account,) = document["accounts"]
    (entry,) = (entry for entry in account["entries"] if entry["address"] == LONG)
    assert entry["baseline"] == "applied"
    assert (entry["expected"], entry["observed"], entry["drift"]) == ("4500", "4485.8", "-14.2")
    assert entry["causes"][0] == {"cause": "funding", "amount": "-4.2"}
    assert entry["causes"][1].items() >= {"cause": "manual", "amount": "-10"}.items()
    assert entry["causes"][1]["at"].startswith("2026-01-01T00:00")


def test_annotations_are_on_what_drifted_beyond_its_tolerance() -> None:
    found = shown()
    (line,) = render.github([found]).splitlines()
    assert line.startswith("::warning file=states/main.toml,title=BTCUSDT.long::drifted −14.2: funding −4.2")


def test_the_markdown_has_a_row_for_what_moved() -> None:
    text = render.markdown([shown()])
    rows = [line for line in text.splitlines() if line.startswith("| ") and "<code>" in line]
    assert len(rows) == 2
    assert "| 4500 | 4485.8 | **−14.2** USDT | funding −4.2, manual −10 at 00:00 |" in rows[0]
    assert rows[0].startswith("| ⚠️")


def test_a_comment_of_any_length_is_cut_with_a_word_about_it() -> None:
    found = shown()
    text = render.markdown([replace(found, entries=found.entries * 2000)])
    assert len(text) <= LIMIT
    assert "more lines do not fit into a comment" in text


@pytest.mark.parametrize(
    ("amount", "text"),
    [("-14.2", "−14.2"), ("3", "+3"), ("0.12345678", "+0.12345678"), ("0", "0"), ("-1000000", "−1000000")],
)
def test_amounts_have_their_sign_and_are_exact(amount: str, text: str) -> None:
    assert render.moved(Decimal(amount), (), now_ms=None) == text


def test_a_cause_of_another_day_has_its_date() -> None:
    share = Share(cause="manual", amount=Decimal(1), at_ms=1_767_225_600_000 - 60_000)
    assert render.moved(Decimal(1), [share], now_ms=1_767_225_600_000) == "+1: manual +1 at 2025-12-31 23:59"


# The command.


@pytest.fixture
def state(tmp_path: Path) -> str:
    file = tmp_path / "demo.toml"
    file.write_text((cli_kit.ROOT / "states" / "demo.toml").read_text())
    assert cli_kit.run(tmp_path, "apply", str(file), "--auto-approve").code == 0
    return str(file)


@pytest.mark.parametrize(
    ("moved", "options", "code"),
    [
        pytest.param("-100", ["--detailed-exitcode"], 2, id="drifted"),
        pytest.param("-100", [], 0, id="without the option the command worked"),
        pytest.param("-1", ["--detailed-exitcode"], 0, id="within tolerance"),
    ],
)
def test_the_exit_code_says_whether_anything_drifted(
    tmp_path: Path, state: str, moved: str, options: list[str], code: int
) -> None:
    assert cli_kit.run(tmp_path, "sandbox", "set", "demo", "--margin", f"{LONG}={moved}").code == 0
    assert cli_kit.run(tmp_path, "drift", state, *options).code == code


def test_several_formats_come_from_one_read(tmp_path: Path, state: str) -> None:
    files = {name: tmp_path / f"drift.{name}" for name in ("json", "markdown", "github")}
    options = [word for name, file in files.items() for word in ("--format", f"{name}={file}")]
    cli_kit.run(tmp_path, "sandbox", "set", "demo", "--margin", f"{LONG}=-100")
    ended = cli_kit.run(tmp_path, "drift", state, *options)
    document = plain_json.loads(files["json"].read_text())
    check(document)
    assert document["accounts"][0]["entries"][0]["drift"] == "-100"
    assert "−100 USDT: manual −100" in ended.out
    assert "**−100**" in files["markdown"].read_text()
    assert "::warning file=" in files["github"].read_text()


def test_an_account_that_cannot_be_read_is_listed_with_its_error(tmp_path: Path) -> None:
    file = tmp_path / "main.toml"
    file.write_text('version = 1\n[account]\nname = "main"\nexchange = "binance"\nposition_mode = "hedge"\n')
    ended = cli_kit.run(tmp_path, "drift", str(file), "--format", "json")
    check(ended.json)
    assert ended.code == 1
    assert ended.json["accounts"][0]["errors"][0]["key"] == "input"


def test_the_last_line_does_not_call_an_account_that_cannot_be_read_free_of_drift(tmp_path: Path) -> None:
    file = tmp_path / "main.toml"
    file.write_text('version = 1\n[account]\nname = "main"\nexchange = "binance"\nposition_mode = "hedge"\n')
    ended = cli_kit.run(tmp_path, "drift", str(file))
    assert "Drift: 1 account could not be read (times are UTC)." in ended.out.splitlines()
