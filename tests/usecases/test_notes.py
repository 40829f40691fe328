"""What ended before it held the account is on record beside its journal: chained, pinned, in nobody's way."""

import json as plain_json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from reconcile.audit.reading import runs
from reconcile.audit.run_log import Filter, log
from reconcile.audit.verifying import verify
from reconcile.errors import ChainBroken, InputError, NotSent
from reconcile.exchanges.http.wire import HttpRequest
from reconcile.journal.identity import UNATTRIBUTED, is_notes, notes_of, owner_of
from reconcile.model.plan import AccountResult, Result
from reconcile.model.reports import LogRow, Run
from reconcile.render.audit.run import run_markdown, run_text
from reconcile.sandbox.faults import Ending, Fault, Scripted
from reconcile.usecases import apply as applying
from reconcile.usecases.notes import LONGEST_WAIT_MS
from reconcile.usecases.status import resolve
from tests.cli import test_exit_codes as codes
from tests.kit.cli import run
from tests.kit.scene import Scene, desired, play
from tests.usecases.watch.test_watch import IN_SYNC, LONG, Vigil, watched


def all_runs(scene: Scene) -> list[Run]:
    """Every run of every chain that can be read, journals first."""
    store = scene.world().store
    found: list[Run] = []
    for identity in sorted(store.identities(), key=is_notes):
        with suppress(ChainBroken):
            found += runs(store.lines(identity), identity=identity)
    return found


def beside(scene: Scene) -> list[Run]:
    return [each for each in all_runs(scene) if is_notes(each.identity)]


RECORDED: Mapping[str, tuple[bool, str, str]] = {
    "in sync": (False, "done", ""),
    "applied and verified": (False, "done", ""),
    "exchange unreachable": (True, "error", "exchange"),
    "broken journal chain": (True, "error", "journal"),
    "a step was refused": (False, "done", ""),
    "plan stale": (False, "refused", "stale"),
    "plan expired": (False, "refused", "expired"),
    "plan used": (False, "refused", "used"),
    "plan for another account": (True, "refused", "account"),
    "account-wide limit": (False, "refused", "max_total_add"),
    "unmanaged positions refused": (False, "refused", "unmanaged"),
    "frozen": (True, "refused", "frozen"),
    "position mode differs": (False, "refused", "position_mode"),
    "not confirmed": (True, "refused", "not_confirmed"),
    "lock not free in time": (True, "refused", "lock"),
    "resolve before the fence": (True, "refused", "fence"),
    "outcome unknown": (False, "done", ""),
    "interrupted": (False, "interrupted", ""),
    "interrupted while waiting for the lock": (True, "interrupted", "interrupted"),
}
"""By the way in which a command may end: whether it is told beside the journal, as what, and by which rule."""


@pytest.mark.parametrize("name", RECORDED)
def test_every_way_in_which_an_apply_may_end_is_on_record(name: str) -> None:
    is_beside, outcome, key = RECORDED[name]
    case = codes.CASES[name]

    code, scene = play(case.act, Scene(faults=case.faults()))

    last = (beside(scene) if is_beside else all_runs(scene))[-1]
    assert (last.outcome, last.exit_code, last.refused or "") == (outcome, code, key if code == 4 else "")
    assert (last.actor, last.account, last.host) == ("simulation", "main", "host")
    assert bool(beside(scene)) is is_beside


async def locked_out(scene: Scene) -> tuple[Result, bytes, bytes]:
    """An apply that finds the account held, between two that hold it; the journal before and after it."""
    await scene.apply(desired())
    (identity,) = scene.world().store.identities()
    path = next(path for path in scene.place.disk.paths() if path.suffix == ".jsonl")
    before = scene.place.disk.content(path)
    async with scene.world().store.open(identity, run_id="x", holder={"host": "another"}, timeout_ms=0):
        world = replace(scene.world(), lock_timeout_ms=0)
        skipped = await applying.apply(world, [desired()], reason="why", git_commit="abc", confirm=None)
    after = scene.place.disk.content(path)
    return skipped, before, after


def account_of(result: Result) -> AccountResult:
    (account,) = result.accounts
    return account


def test_a_run_that_finds_the_account_held_writes_beside_the_journal_and_not_into_it() -> None:
    (skipped, before, after), scene = play(locked_out)

    (row,) = log(scene.world().store, Filter(outcomes=frozenset({"refused:lock"})))
    assert before == after
    assert (row.run_id, row.account, row.actor, row.reason) == (skipped.run_id, "main", "simulation", "why")
    assert "host another" in row.detail
    assert (account_of(skipped).journal_head, len(account_of(skipped).notes_head or "")) == (None, 64)


@pytest.mark.parametrize("account", ["main", None])
def test_the_log_of_an_account_has_what_is_beside_its_journal(account: str | None) -> None:
    _, scene = play(locked_out)
    store = scene.world().store
    (identity,) = (name for name in store.identities() if not is_notes(name))

    rows: list[LogRow] = log(store, Filter(account=account or identity))

    assert [row.outcome for row in rows].count("refused:lock") == 1


def cut(content: bytes) -> bytes:
    return b"".join(content.splitlines(keepends=True)[:-1])


SPOILT: Mapping[str, Callable[[bytes], bytes | None]] = {
    "cut": cut,
    "changed": lambda content: content.replace(b"refused", b"Refused"),
    "gone": lambda _: None,
}


def spoil_notes(scene: Scene, case: str) -> None:
    (path,) = (path for path in scene.place.disk.paths() if path.name.endswith("_notes.jsonl"))
    spoilt = SPOILT[case](scene.place.disk.content(path))
    if spoilt is None:
        scene.place.disk.remove(path)
    else:
        scene.place.disk.replace(path, spoilt)


@pytest.mark.parametrize("case", SPOILT)
def test_the_next_run_pins_what_is_beside_the_journal(case: str) -> None:
    async def act(scene: Scene) -> None:
        await locked_out(scene)
        await scene.apply(desired())
        assert all(verdict.is_good for verdict in verify(scene.world().store, {}))
        spoil_notes(scene, case)

    _, scene = play(act)

    bad = [verdict.identity for verdict in verify(scene.world().store, {}) if not verdict.is_good]
    assert [is_notes(name) for name in bad] == [True]


@pytest.mark.parametrize("case", ["cut", "gone"])
def test_a_later_run_does_not_make_good_what_was_taken_from_the_notes(case: str) -> None:
    async def act(scene: Scene) -> None:
        await locked_out(scene)
        await scene.apply(desired())
        spoil_notes(scene, case)
        await locked_out_again(scene)
        await scene.apply(replace(desired(), name="main"))

    _, scene = play(act)

    bad = [verdict for verdict in verify(scene.world().store, {}) if not verdict.is_good]
    assert [is_notes(verdict.identity) for verdict in bad] == [True]
    assert [verdict.bad_line for verdict in bad] == [1]


def test_broken_notes_stop_no_resolve() -> None:
    async def act(scene: Scene) -> str:
        await locked_out(scene)
        (path,) = (path for path in scene.place.disk.paths() if path.name.endswith("_notes.jsonl"))
        scene.place.disk.replace(path, scene.place.disk.content(path).replace(b"refused", b"Refused"))
        with pytest.raises(InputError) as caught:
            await resolve(scene.world(), address="BTCUSDT.long", applied=True, reason="seen")
        return str(caught.value)

    said, _ = play(act)

    assert "nothing is unsettled there" in said


def test_notes_may_grow_after_the_run_that_pinned_them() -> None:
    async def act(scene: Scene) -> None:
        await locked_out(scene)
        await locked_out_again(scene)

    _, scene = play(act)

    assert [verdict.is_good for verdict in verify(scene.world().store, {})] == [True, True]


async def locked_out_again(scene: Scene) -> None:
    await scene.apply(desired())
    scene.env["RECONCILE_FROZEN"] = "main"
    await scene.apply(desired())


def test_what_is_beside_a_journal_that_cannot_be_written_is_said_and_the_refusal_stays_what_it_is() -> None:
    alarms: list[str] = []

    async def act(scene: Scene) -> Result:
        await scene.apply(desired())
        (identity,) = scene.world().store.identities()
        async with (
            scene.world().store.open(notes_of(identity), run_id="y", holder={"host": "slow"}, timeout_ms=0),
            scene.world().store.open(identity, run_id="x", holder={"host": "another"}, timeout_ms=0),
        ):
            world = replace(scene.world(), lock_timeout_ms=0, warn=alarms.append)
            return await applying.apply(world, [desired()], reason=None, git_commit=None, confirm=None)

    result, _ = play(act)

    assert (result.exit_code, account_of(result).errors[0].key, account_of(result).notes_head) == (4, "lock", None)
    assert "not in the journal (refused)" in alarms[0]


def test_broken_notes_stop_no_apply_and_are_said() -> None:
    alarms: list[str] = []

    async def act(scene: Scene) -> Result:
        await locked_out(scene)
        (path,) = (path for path in scene.place.disk.paths() if path.name.endswith("_notes.jsonl"))
        scene.place.disk.replace(path, scene.place.disk.content(path).replace(b"refused", b"Refused"))
        scene.by_hand(LONG, "-10")
        world = replace(scene.world(), warn=alarms.append)
        return await applying.apply(world, [desired()], reason=None, git_commit=None, confirm=None)

    result, scene = play(act)

    assert (result.exit_code, scene.margin(LONG)) == (0, Decimal(4500))
    assert "the notes beside the journal" in alarms[0]


def test_an_exchange_that_does_not_answer_is_asked_once_and_the_note_is_the_keys() -> None:
    async def act(scene: Scene) -> list[str]:
        process = scene.process()
        seen: list[str] = []

        def refuse(request: HttpRequest) -> None:
            seen.append(request.url.partition("?")[0])
            raise NotSent("connecting: refused")

        process.before = refuse
        await scene.apply(desired(), process)
        return seen

    seen, scene = play(act)

    assert {url.rpartition("/")[2] for url in seen} == {"time"}
    (identity,) = {each.identity for each in beside(scene)}
    assert owner_of(identity).startswith("binance-live-key-")


@pytest.mark.parametrize("exchange", ["binance", "okx"])
def test_a_note_does_not_wait_for_an_exchange_that_hangs(exchange: str) -> None:
    async def act(scene: Scene) -> tuple[int, int]:
        scene.env["RECONCILE_FROZEN"] = "main"
        begun_ms = scene.world().clock.monotonic_ms()
        result = await scene.apply(desired())
        return result.exit_code, scene.world().clock.monotonic_ms() - begun_ms

    ended, scene = play(act, Scene(exchange=exchange, faults=Scripted([Fault(ending=Ending.TIMEOUT)] * 99)))

    assert ended[0] == 4
    assert ended[1] <= LONGEST_WAIT_MS
    assert len(beside(scene)) == 1


# What a watch saw.


def notes_of_watch(scene: Scene) -> list[tuple[str, str, str]]:
    return [(row.outcome, row.address, row.detail) for row in log(scene.world().store, Filter()) if row.what == "watch"]


def drifts(scene: Scene) -> None:
    scene.by_hand(LONG, "-50")


def test_a_watch_that_applies_nothing_has_on_record_what_it_saw_and_when_it_believed_it() -> None:
    vigil = Vigil([desired(IN_SYNC)])
    scene = Scene()
    vigil.between = {2: lambda: drifts(scene)}
    play(vigil, scene)

    first, second = notes_of_watch(scene)
    assert (first[0], first[1], "until 2 looks agree" in first[2]) == ("waited", LONG, True)
    assert (second[0], second[1]) == ("saw", LONG)
    assert second[2].startswith("in_sync → change: 2950 → 3000 (+50 USDT)")
    assert scene.moved_by_calls() == [(LONG, Decimal(-50))]


@pytest.mark.parametrize("render", [run_text, run_markdown])
def test_the_decisions_of_a_watch_are_shown_with_its_run(render: Callable[[list[Run]], str]) -> None:
    vigil = Vigil([desired(IN_SYNC)])
    scene = Scene()
    vigil.between = {2: lambda: drifts(scene)}
    play(vigil, scene)

    shown = render(beside(scene))

    assert "until 2 looks agree" in shown
    assert "→ change: 2950 → 3000" in shown


def test_a_flicker_that_was_not_believed_is_on_record() -> None:
    vigil = Vigil([desired(IN_SYNC)])
    scene = Scene()
    vigil.between = {2: lambda: drifts(scene), 3: lambda: scene.by_hand(LONG, "50")}
    play(vigil, scene)

    assert [(outcome, "did not last" in detail) for outcome, _, detail in notes_of_watch(scene)] == [
        ("waited", False),
        ("waited", True),
    ]


def test_a_quiet_watch_writes_nothing() -> None:
    scene = watched(Vigil([desired(IN_SYNC)]))

    assert scene.place.disk.paths() == []


def test_giving_up_is_on_record() -> None:
    vigil = Vigil([desired(IN_SYNC)], apply=True, undo_limit=1, rounds=12)
    scene = Scene()
    vigil.between = {number: lambda: drifts(scene) for number in (2, 6)}
    play(vigil, scene)

    assert any(
        "left alone from now on" in detail for outcome, _, detail in notes_of_watch(scene) if outcome == "decided"
    )


# The command line.


def listed(home: Path) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = run(home, "audit", "log", "--format", "json").json["rows"]
    return rows


def forged(file: Path) -> list[str]:
    file.write_text(file.read_text().replace('"1500"', '"9500"'))
    return []


UNREAD: Mapping[str, tuple[Callable[[Path], list[str]], int, str]] = {
    "a plan that was changed": (forged, 4, "refused:digest"),
    "a plan that was not reviewed": (lambda _: ["--digest", "sha256:" + "0" * 64], 4, "refused:digest"),
    "a plan that is none": (lambda file: [str(file.write_text("{}"))][:0], 1, "error"),
}


@pytest.mark.parametrize("case", UNREAD)
def test_a_plan_that_cannot_be_trusted_is_on_record_as_nobodys(case: str, tmp_path: Path) -> None:
    spoil, code, outcome = UNREAD[case]
    file = tmp_path / "plan.json"
    assert run(tmp_path, "plan", codes.state(tmp_path), "--out", str(file)).code == 0
    words = spoil(file)

    ended = run(tmp_path, "apply", str(file), "--auto-approve", *words, env={"RECONCILE_ACTOR": "mallory"})

    (row,) = listed(tmp_path)
    (note,) = run(tmp_path, "audit", "show", row["run_id"], "--format", "json").json["accounts"]
    assert ended.code == code
    assert (row["outcome"], row["account"], row["actor"]) == (outcome, UNATTRIBUTED, "mallory")
    assert (note["exit_code"], note["identity"]) == (code, notes_of(UNATTRIBUTED))
    assert "demo" not in plain_json.dumps(note)
    assert run(tmp_path, "audit", "verify").code == 0


def test_a_state_file_with_errors_is_on_record_by_the_places_of_its_errors_alone(tmp_path: Path) -> None:
    bad = codes.state(tmp_path, margin='"k3y-in-a-wrong-place"')

    ended = run(tmp_path, "apply", bad, "--auto-approve")

    (row,) = listed(tmp_path)
    assert (ended.code, row["outcome"]) == (1, "error")
    assert "demo.toml:" in row["detail"]
    assert not any(b"k3y" in path.read_bytes() for path in (tmp_path / "home").rglob("*") if path.is_file())


def test_an_account_without_credentials_is_on_record_by_its_name(tmp_path: Path) -> None:
    ended = run(tmp_path, "apply", codes.state(tmp_path, endpoint="live"), "--auto-approve")

    (row,) = listed(tmp_path)
    assert (ended.code, row["outcome"], row["account"], row["identity"]) == (1, "error", "demo", notes_of(UNATTRIBUTED))


def test_a_person_is_told_of_a_note_that_cannot_be_written_and_of_notes_that_cannot_be_read(tmp_path: Path) -> None:
    state = codes.state(tmp_path)
    run(tmp_path, "apply", state, "--auto-approve")
    (journal,) = (tmp_path / "home" / "journal").glob("*.jsonl")
    journal.with_name(f"{notes_of(journal.stem)}.jsonl").mkdir()

    frozen = run(tmp_path, "apply", state, "--auto-approve", env={"RECONCILE_FROZEN": "demo"})
    done = run(tmp_path, "apply", state, "--auto-approve")

    assert (frozen.code, "demo: not in the journal (refused)" in frozen.err) == (4, True)
    assert (done.code, "reading the notes beside the journal" in done.err) == (0, True)


def test_a_wrong_command_line_is_not_on_record(tmp_path: Path) -> None:
    assert run(tmp_path, "apply", codes.state(tmp_path), "--digest", "sha256:0").code == 64

    assert not (tmp_path / "home").exists()


def test_notes_are_private_and_are_put_aside_with_their_journal(tmp_path: Path) -> None:
    state = codes.state(tmp_path)
    run(tmp_path, "apply", state, "--auto-approve")
    run(tmp_path, "apply", state, "--auto-approve", env={"RECONCILE_FROZEN": "demo"})
    (notes,) = (tmp_path / "home" / "journal").glob("*_notes.jsonl")
    mode = notes.stat().st_mode & 0o777

    done = run(tmp_path, "sandbox", "reset", "demo", "--format", "json")

    assert (mode, len(done.json["journals"]), notes.exists()) == (0o600, 2, False)
    assert run(tmp_path, "audit", "log").code == 1  # there is no journal left


def test_a_refused_run_is_compared_with_nothing(tmp_path: Path) -> None:
    state = codes.state(tmp_path)
    first = run(tmp_path, "apply", state, "--auto-approve", "--format", "json").json["run_id"]
    frozen = run(tmp_path, "apply", state, "--auto-approve", "--format", "json", env={"RECONCILE_FROZEN": "demo"}).json[
        "run_id"
    ]

    ended = run(tmp_path, "audit", "diff", first, frozen)

    assert (ended.code, "never held an account" in ended.err) == (1, True)


def test_the_page_shows_what_was_refused_beside_the_journal(tmp_path: Path) -> None:
    state, page = codes.state(tmp_path), tmp_path / "page.html"
    run(tmp_path, "apply", state, "--auto-approve")
    run(tmp_path, "apply", state, "--auto-approve", env={"RECONCILE_FROZEN": "demo"})

    ended = run(tmp_path, "audit", "report", "--html", str(page))

    assert (ended.code, ended.out) == (0, f"{page}: 1 account\n")
    assert "refused:frozen" in page.read_text()
