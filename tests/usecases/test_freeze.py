"""The emergency brake: heard before the next send, under any name, on a fresh home, and never lifted by accident."""

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from reconcile.clock import SystemClock
from reconcile.errors import InputError, JournalError
from reconcile.exchanges.http.wire import HttpRequest
from reconcile.journal.brake import CHAIN, Brake, read_brake
from reconcile.journal.file.disk import SystemDisk
from reconcile.journal.file.store import FileStore
from reconcile.journal.records import NoteRecord
from reconcile.model.notes import Freeze
from reconcile.model.plan import OutcomeKind, Result
from reconcile.usecases import apply as applying
from reconcile.usecases.freeze import freeze, unfreeze
from reconcile.usecases.world import World
from tests.kit.scene import TARGETS, Scene, desired, play, the_error

LONG, SHORT = "BTCUSDT.long", "BTCUSDT.short"


async def frozen(scene: Scene, account: str | None = "main", *, known: tuple[str, ...] = ("main",)) -> None:
    """``reconcile freeze`` in a process of its own."""
    await freeze(scene.world(), account, reason="incident 42", declared=() if account is None else known)


async def lifted(scene: Scene, account: str | None = "main") -> str | None:
    """``reconcile unfreeze`` in a process of its own; what keeps it frozen still."""
    return (await unfreeze(scene.world(), account, reason="over")).still


@pytest.mark.parametrize("account", ["main", None])
def test_an_apply_is_refused_from_a_freeze_until_it_is_lifted(account: str | None) -> None:
    async def stopped(scene: Scene) -> tuple[Result, Decimal, Result]:
        await frozen(scene, account)
        refused = await scene.apply(desired({LONG: "3500"}))
        held = scene.margin(LONG)
        assert await lifted(scene, account) is None
        return refused, held, await scene.apply(desired({LONG: "3500"}))

    (refused, held, later), scene = play(stopped)
    code, key, message = the_error(refused)
    assert (code, key, held) == (4, "frozen", Decimal(3000))
    assert message.startswith("starting main: incident 42 (by simulation, 2026-01-01T")
    assert (later.exit_code, scene.margin(LONG)) == (0, Decimal(3500))


@pytest.mark.parametrize("account", ["main", None])
def test_an_apply_under_way_sends_nothing_more(account: str | None) -> None:
    async def interrupted(scene: Scene) -> Result:
        process = scene.process()
        freezing: list[asyncio.Future[None]] = []

        def before(request: HttpRequest) -> None:
            if request.method == "POST" and not freezing:
                freezing.append(asyncio.ensure_future(frozen(scene, account)))

        process.before = before
        world = replace(scene.world(process), parallelism=1)
        wanted = desired({LONG: "3500", SHORT: "2600", "ETHUSDT.long": "1600"})
        result = await applying.apply(world, [wanted], reason=None, git_commit=None, confirm=None)
        await asyncio.gather(*freezing)
        return result

    result, scene = play(interrupted)
    outcomes = [step.outcome for step in result.accounts[0].steps]
    assert (result.exit_code, len(scene.moved_by_calls())) == (3, 1)
    assert sorted(outcomes) == sorted([OutcomeKind.APPLIED, OutcomeKind.SKIPPED, OutcomeKind.SKIPPED])
    assert all("frozen: incident 42" in step.detail for step in result.accounts[0].steps if step.outcome == "skipped")


@dataclass(frozen=True, slots=True, kw_only=True)
class Overtaken(World):
    """A world that is asked before each look and again before the send; its last answer stays."""

    answers: list[str | None] = field(default_factory=list)

    async def held_back(self, account: str, *identities: str) -> str | None:
        """The next answer."""
        assert (account, bool(identities)) == ("main", True)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def test_an_intent_that_the_freeze_overtook_is_not_sent_and_says_why() -> None:
    async def overtaken(scene: Scene) -> list[Mapping[str, Any]]:
        world = scene.world()
        facts = {each.name: getattr(world, each.name) for each in fields(world)}
        late = Overtaken(**facts, answers=[None, None, "incident 42"])
        result = await applying.apply(late, [desired({LONG: "3500"})], reason=None, git_commit=None, confirm=None)
        assert result.exit_code == 3
        (identity,) = (name for name in world.store.identities() if not name.endswith("_notes"))
        return [record for record in world.store.lines(identity) if record["kind"] == "outcome"]

    (outcome,), scene = play(overtaken)
    assert (outcome["known"], outcome["message"]) == ("not_sent", "not sent: frozen: incident 42")
    assert scene.margin(LONG) == Decimal(3000)


def test_an_account_that_was_frozen_stays_so_under_another_name() -> None:
    async def renamed(scene: Scene) -> tuple[Result, Result]:
        await scene.apply(desired({LONG: "3500"}))
        await frozen(scene, known=())
        return (
            await scene.apply(replace(desired({LONG: "4000"}), name="other")),
            await scene.apply(desired({LONG: "4000"})),
        )

    results, scene = play(renamed)
    assert [the_error(result)[:2] for result in results] == [(4, "frozen"), (4, "frozen")]
    assert scene.margin(LONG) == Decimal(3500)


def test_other_accounts_go_on() -> None:
    async def beside(scene: Scene) -> Result:
        await frozen(scene, "other", known=("other", "main"))
        return await scene.apply(desired({LONG: "3500"}))

    result, scene = play(beside)
    assert (result.exit_code, scene.margin(LONG)) == (0, Decimal(3500))


def test_an_account_that_nothing_knows_is_not_frozen_but_named() -> None:
    async def misspelt(scene: Scene) -> str:
        await scene.apply(desired(TARGETS))
        with pytest.raises(InputError) as caught:
            await frozen(scene, "mian", known=("second",))
        return str(caught.value)

    message, _ = play(misspelt)
    assert message == (
        "freezing mian: no journal here and no state file that was named is of that account; did you mean main? "
        "expected main or second; name its state file behind it ('reconcile freeze mian PATH'), "
        "or freeze all with --all"
    )


def test_lifting_says_what_was_never_frozen_and_what_is_frozen_still() -> None:
    async def words(scene: Scene) -> list[str | None]:
        said: list[str | None] = []

        async def refused(account: str) -> None:
            with pytest.raises(InputError) as caught:
                await lifted(scene, account)
            said.append(str(caught.value).partition("; ")[2])

        await refused("main")
        await frozen(scene)
        await refused("mian")
        await frozen(scene, None)
        await refused("other")
        said.append(await lifted(scene))
        scene.env["RECONCILE_FROZEN"] = "main"
        await refused("main")
        said.append(await lifted(scene, None))
        return said

    said, _ = play(words)
    home = "/home/reconcile"
    assert [text and text.replace(home, "HOME") for text in said] == [
        "nothing is frozen",
        "did you mean main? expected main",
        "every account is frozen; lift that with 'reconcile unfreeze --all'",
        "main by 'reconcile freeze --all'",
        "RECONCILE_FROZEN or the file HOME/frozen/main freezes it; remove that",
        "main by RECONCILE_FROZEN or a file in HOME/frozen",
    ]


def test_an_apply_that_cannot_read_the_brake_sends_nothing() -> None:
    async def unreadable(scene: Scene) -> Result:
        async with scene.world().store.open(CHAIN, run_id="r", holder={}, timeout_ms=0) as chain:
            await chain.append(NoteRecord(what="brake", details={}), durable=True)
        result = await scene.apply(desired({LONG: "3500"}))
        await lifted(scene, None)
        assert await read_brake(scene.world().store) == Brake()
        return result

    result, scene = play(unreadable)
    code, key, message = the_error(result)
    assert (code, key, scene.margin(LONG)) == (1, "journal", Decimal(3000))
    assert message.startswith("reading the brake's last record: it does not say what is frozen; nothing is sent")


@pytest.mark.parametrize("by_file", [False, True], ids=["variable", "file"])
def test_a_name_by_hand_that_fits_no_account_freezes_all(tmp_path: Path, *, by_file: bool) -> None:
    async def misspelt(scene: Scene) -> tuple[Result, Decimal, Result]:
        if by_file:
            (tmp_path / "frozen" / "..data").mkdir(parents=True)
            (tmp_path / "frozen" / "mian").touch()
        else:
            scene.env["RECONCILE_FROZEN"] = "mian"
        world = replace(scene.world(), home=tmp_path)
        wanted = [desired({LONG: "3500"})]
        refused = await applying.apply(world, wanted, reason=None, git_commit=None, confirm=None)
        held = scene.margin(LONG)
        if by_file:
            (tmp_path / "frozen" / "mian").unlink()
        scene.env.pop("RECONCILE_FROZEN", None)
        return refused, held, await applying.apply(world, wanted, reason=None, git_commit=None, confirm=None)

    (refused, held, later), scene = play(misspelt)
    code, key, message = the_error(refused)
    assert (code, key, held) == (4, "frozen", Decimal(3000))
    where = "a file in the home's folder frozen" if by_file else "RECONCILE_FROZEN"
    assert message == (
        f"starting main: {where} names 'mian', which is no account of these state files or of a journal here, "
        "so every account is frozen; did you mean main? expected main; lift the freeze to go on"
    )
    assert (later.exit_code, scene.margin(LONG)) == (0, Decimal(3500))


def test_a_name_by_hand_that_appears_under_way_is_heard_before_the_next_send() -> None:
    async def misspelt(scene: Scene) -> Result:
        process = scene.process()
        process.before = lambda request: scene.env.update(RECONCILE_FROZEN="mian") if request.method == "POST" else None
        world = replace(scene.world(process), parallelism=1)
        wanted = desired({LONG: "3500", SHORT: "2600"})
        return await applying.apply(world, [wanted], reason=None, git_commit=None, confirm=None)

    result, scene = play(misspelt)
    assert (result.exit_code, len(scene.moved_by_calls())) == (3, 1)


def test_a_name_by_hand_that_only_a_journal_knows_freezes_nobody_else() -> None:
    async def elsewhere(scene: Scene) -> Result:
        await scene.apply(replace(desired({LONG: "3500"}), name="other"))
        scene.env["RECONCILE_FROZEN"] = "other"
        return await scene.apply(desired({LONG: "3600"}))

    result, scene = play(elsewhere)
    assert (result.exit_code, scene.margin(LONG)) == (0, Decimal(3600))


# The chain.


def store(home: Path) -> FileStore:
    """A store on the machine's own disk."""
    return FileStore(home, SystemDisk(), SystemClock())


async def written(home: Path, record: NoteRecord) -> None:
    """One record at the end of the brake's chain."""
    async with store(home).open(CHAIN, run_id="r", holder={}, timeout_ms=0) as chain:
        await chain.append(record, durable=True)


STOPPED = Brake(freezes={"main": Freeze(reason="r", actor="a", at="2026-01-01T00:00:00.000Z", identities=("i",))})
RECORD = STOPPED.record(command="freeze", account="main", reason="r", actor="a", host="h")


def test_the_brake_is_what_its_last_record_says(tmp_path: Path) -> None:
    async def story() -> list[Brake]:
        found = [await read_brake(store(tmp_path))]
        await written(tmp_path, RECORD)
        found.append(await read_brake(store(tmp_path)))
        await written(tmp_path, Brake().record(command="unfreeze", account="main", reason="r", actor="a", host="h"))
        return [*found, await read_brake(store(tmp_path))]

    assert asyncio.run(story()) == [Brake(), STOPPED, Brake()]


def test_a_crash_while_it_is_changed_leaves_it_as_it_was(tmp_path: Path) -> None:
    async def story() -> list[Brake]:
        await written(tmp_path, RECORD)
        with (tmp_path / "journal" / f"{CHAIN}.jsonl").open("ab") as file:
            file.write(b'{"seq":3,"prev":"')
        torn = await read_brake(store(tmp_path))
        async with store(tmp_path).open(CHAIN, run_id="r", holder={}, timeout_ms=0):
            pass  # which repairs it, and dies before its own record
        return [torn, await read_brake(store(tmp_path))]

    assert asyncio.run(story()) == [STOPPED, STOPPED]


@pytest.mark.parametrize(
    "details",
    [
        {},
        {"frozen": []},
        {"frozen": {"main": "x"}},
        {"frozen": {"main": {"reason": 1, "actor": "a", "at": "t"}}},
        {"frozen": {"main": {"reason": "r", "actor": "a", "at": "t", "identities": "i"}}},
    ],
    ids=str,
)
def test_a_brake_that_cannot_be_read_stops_everything(tmp_path: Path, details: dict[str, Any]) -> None:
    async def story() -> None:
        await written(tmp_path, NoteRecord(what="brake", details=details))
        await read_brake(store(tmp_path))

    with pytest.raises(JournalError, match="nothing is sent"):
        asyncio.run(story())


def test_a_last_record_that_was_changed_stops_everything(tmp_path: Path) -> None:
    async def story() -> None:
        await written(tmp_path, RECORD)
        file = tmp_path / "journal" / f"{CHAIN}.jsonl"
        file.write_bytes(file.read_bytes().replace(b'"main"', b'"mine"'))
        await read_brake(store(tmp_path))

    with pytest.raises(JournalError, match="its last line was changed"):
        asyncio.run(story())


def test_an_account_is_held_by_its_name_by_its_journal_or_with_all() -> None:
    every = Brake(freezes={"*": Freeze(reason="all", actor="a", at="t")})
    assert STOPPED.holding("main") is not None
    assert STOPPED.holding("other", "i") is not None
    assert every.holding("anything") is not None
    assert (STOPPED.holding("other"), STOPPED.holding("other", "j"), Brake().holding("main")) == (None, None, None)


def _linked(path: Path, reason: str) -> None:
    version = path.parent / "..2026"
    version.mkdir()
    (version / path.name).write_text(reason)
    (path.parent / "..data").symlink_to(version.name)
    path.symlink_to(f"..data/{path.name}")


def _huge(path: Path) -> None:
    path.write_text("x" * 5_000)
    os.truncate(path, 1 << 40)


FREEZE_FILES: dict[str, tuple[Callable[[Path], object], str | None]] = {
    "none": (lambda _path: None, None),
    "a reason": (lambda path: path.write_text("incident 7\nmore"), "incident 7"),
    "an empty file": (Path.touch, "no reason given"),
    "a Kubernetes mount": (lambda path: _linked(path, "incident 8"), "incident 8"),
    "a dangling link": (lambda path: path.symlink_to("gone"), "cannot be read (No such file or directory)"),
    "a FIFO": (os.mkfifo, "cannot be read (not a regular file)"),
    "a folder": (Path.mkdir, "cannot be read (not a regular file)"),
    "an endless device": (lambda path: path.symlink_to("/dev/zero"), "cannot be read (not a regular file)"),
    "a terabyte": (_huge, "x" * 4_097),
}


@pytest.mark.parametrize(("make", "expected"), FREEZE_FILES.values(), ids=FREEZE_FILES)
def test_a_freeze_file_is_heard_whatever_it_is_and_never_waited_for(
    tmp_path: Path, make: Callable[[Path], object], expected: str | None
) -> None:
    async def asked(scene: Scene) -> str | None:
        (tmp_path / "frozen").mkdir()
        make(tmp_path / "frozen" / "main")
        return await replace(scene.world(), home=tmp_path).frozen("main")

    reason, _ = play(asked)
    assert reason is None if expected is None else reason is not None and reason.endswith(expected)
