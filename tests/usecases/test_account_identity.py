"""Several state files for one account send nothing, whatever keys they use; only a pinned account is sent to."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pytest

from reconcile.connect.secrets import Credentials
from reconcile.errors import InputError, ReadFailed, ReconcileError
from reconcile.exchanges.base import Writer
from reconcile.exchanges.http.limits import Limits
from reconcile.exchanges.registry import connect
from reconcile.journal.identity import UNATTRIBUTED, former_identities, is_notes, notes_of
from reconcile.model.account import DesiredAccount
from reconcile.model.plan import Plan, Result
from reconcile.render.common.json import dumps
from reconcile.render.plan.json import plan_document
from reconcile.render.plan.saved import loads_plan
from reconcile.sandbox.demo import account_of, new_books
from reconcile.sandbox.faults import NO_FAULT, Fault
from reconcile.sandbox.http import Lag, Request
from reconcile.sandbox.registry import SIMULATED, simulated
from reconcile.usecases import apply as applying
from reconcile.usecases import plan as planning
from reconcile.usecases.drift import drift
from reconcile.usecases.freeze import freeze, unfreeze
from reconcile.usecases.import_ import import_account
from reconcile.usecases.watch.loop import Watch
from reconcile.usecases.watch.settings import Settings
from reconcile.usecases.world import Connection, World
from tests.kit.connection import live_connection
from tests.kit.scene import HOUR_MS, Scene, play
from tests.simulation.machine import EPOCH_MS
from tests.simulation.world import URL, VenueWire, declared

EXCHANGES = sorted(SIMULATED)


@dataclass
class Keys:
    """Which key each credentials prefix holds, behind one exchange; ``own`` keys reach an account of their own."""

    scene: Scene
    of: dict[str, str] = field(default_factory=dict)

    def reaching(self, prefix: str, key: str, *, account: str = "main") -> "Keys":
        """A key of the scene's account, or of another one."""
        place = self.scene.place
        kind = simulated(place.exchange)
        books = place.books
        if account != "main":
            books = new_books(account, kind.rules, kind.seed, now_ms=EPOCH_MS - HOUR_MS, keep_ms=120_000)
        served = replace(account_of(place.exchange, account, books), key=key)
        place.venue.dialect.serve(served)  # type: ignore[attr-defined]
        self.of[prefix] = key
        return self

    def world(self) -> World:
        process = self.scene.process()
        world, place, limits = self.scene.world(process), self.scene.place, Limits(process.clock)

        def connected(desired: DesiredAccount, read_only: bool) -> Connection[Writer]:  # noqa: FBT001 - the world's signature
            if desired.credentials not in self.of:
                raise InputError(f"reading the credentials of account {desired.name}: missing")
            account = place.venue.dialect.accounts[self.of[desired.credentials]]  # type: ignore[attr-defined]
            credentials = Credentials(key=account.key, secret=account.secret, passphrase=account.passphrase or None)
            writer = connect(
                desired.exchange,
                wire=VenueWire(place.venue, place.loop, process.clock),
                credentials=credentials,
                clock=process.clock,
                url=URL,
                demo=False,
                product=desired.product,
                limits=limits,
                dice=random.Random(1),
                read_only=read_only,
            )
            return replace(
                live_connection(desired, writer, credentials.key),
                former=lambda uid: former_identities(
                    exchange=desired.exchange,
                    endpoint_kind="live",
                    product=desired.product,
                    uid=uid,
                    api_key=credentials.key,
                ),
            )

        return replace(world, connect=connected)


def first_address(scene: Scene) -> str:
    """An open isolated position of the demo account."""
    books = scene.place.books
    return next(f"{p.symbol}.{p.side}" for p in books.positions.values() if p.size and p.margin > 1000)


def file_of(scene: Scene, name: str, *, more: str = "300", **changed: object) -> DesiredAccount:
    """A state file that declares more margin than there is."""
    address = first_address(scene)
    made = declared(scene.exchange, {address: str(scene.margin(address) + Decimal(more))})
    return replace(made, name=name, credentials=name.upper(), path=f"states/{name}.toml", **changed)  # type: ignore[arg-type]


async def apply(world: World, accounts: Sequence[DesiredAccount], *, asks: bool = False) -> Result:
    def confirm(_: Plan) -> bool:
        return True

    return await applying.apply(world, accounts, reason=None, git_commit=None, confirm=confirm if asks else None)


def refused(errors: Sequence[object], *files: str) -> bool:
    (error,) = errors
    text = getattr(error, "message")  # noqa: B009 - of errors of several kinds
    return getattr(error, "key") == "account" and all(file in text for file in files)  # noqa: B009


BOTH = ("states/one.toml (credentials ONE)", "states/two.toml (credentials TWO)")


@pytest.mark.parametrize("asks", [False, True], ids=["independently", "asking"])
@pytest.mark.parametrize("second", ["key-of-one", "key-of-two"], ids=["a copied key", "two keys of one account"])
@pytest.mark.parametrize("exchange", EXCHANGES)
def test_apply_moves_nothing_for_two_files_of_one_account_and_goes_on_with_others(
    exchange: str,
    second: str,
    asks: bool,  # noqa: FBT001
) -> None:
    async def act(scene: Scene) -> tuple[Result, Result]:
        keys = Keys(scene).reaching("ONE", "key-of-one").reaching("TWO", second)
        keys.reaching("OTHER", "key-of-other", account="other")
        files = [file_of(scene, "one"), file_of(scene, "two", more="500"), file_of(scene, "other")]
        return await apply(keys.world(), files, asks=asks), await apply(keys.world(), files, asks=asks)

    (first, second_run), scene = play(act, Scene(exchange))

    assert scene.moved_by_calls() == []
    for result in (first, second_run):
        assert [account.exit_code for account in result.accounts] == [4, 4, 0]
        assert all(refused(account.errors, *BOTH) for account in result.accounts[:2])
        assert result.exit_code == 4
    assert [len(account.steps) for account in first.accounts] == [0, 0, 1]
    journals = [name for name in scene.world().store.identities() if not is_notes(name)]
    assert len(journals) == 1  # the other account's
    store = scene.world().store
    notes = {name for name in store.identities() if is_notes(name)} - {notes_of(UNATTRIBUTED)}
    assert len(notes) == 1
    assert [line["kind"] for line in store.lines(notes.pop())] == ["journal", *["noted"] * 4]


def test_plan_and_drift_refuse_both_files_and_show_the_other() -> None:
    async def act(scene: Scene) -> list[list[tuple[int, bool]]]:
        keys = Keys(scene).reaching("ONE", "1").reaching("TWO", "2").reaching("OTHER", "3", account="other")
        files = [file_of(scene, "one"), file_of(scene, "other"), file_of(scene, "two")]
        plan = await planning.plan(keys.world(), files, targets=(), overrides={}, expires_ms=1, git_commit=None)
        drifts = await drift(keys.world(), files)
        return [
            [(each.exit_code, bool(each.errors) and refused(each.errors, *BOTH)) for each in made]
            for made in (plan.accounts, drifts)
        ]

    planned, drifts = play(act)[0]
    assert planned == drifts == [(4, True), (0, False), (4, True)]


def test_watch_applies_neither_of_two_files_of_one_account() -> None:
    told: list[str] = []

    async def act(scene: Scene) -> None:
        keys = Keys(scene).reaching("ONE", "1").reaching("TWO", "2")
        files = [file_of(scene, "one"), file_of(scene, "two", more="700")]
        from tests.usecases.watch.test_watch import unlocked

        settings = Settings(interval_ms=60_000, apply=True, rounds=4)
        watch = Watch(
            keys.world(),
            lambda: files,
            settings,
            hold=unlocked,
            tell=lambda news: told.append(news.message),
            publish=lambda _: None,
        )
        await watch.run()

    _, scene = play(act)
    assert scene.moved_by_calls() == []
    assert sum("2 state files reach one Binance USD-M account" in line for line in told) == 2, told


def test_many_files_wait_for_each_other_without_a_deadlock() -> None:
    async def act(scene: Scene) -> Result:
        keys = Keys(scene)
        files = []
        for number in range(130):
            keys.reaching(f"N{number}", f"key-{number}", account=f"n{number}")
            files.append(file_of(scene, f"n{number}"))
        keys.reaching("N129", "another-key", account="n0")
        return await apply(keys.world(), files)

    result, _ = play(act)
    assert [a.exit_code for a in result.accounts] == [4, *[0] * 128, 4]


def test_an_account_that_cannot_be_reached_holds_no_other_back() -> None:
    async def act(scene: Scene) -> Result:
        keys = Keys(scene).reaching("ONE", "1")
        return await apply(keys.world(), [file_of(scene, "two"), file_of(scene, "one")])

    result, scene = play(act)
    assert [account.exit_code for account in result.accounts] == [1, 0]
    assert scene.moved_by_calls() == [(first_address(scene), Decimal(300))]


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_another_account_than_the_pinned_one_is_refused_and_the_pinned_one_is_not(exchange: str) -> None:
    async def act(scene: Scene) -> tuple[Result, Result, str]:
        keys = Keys(scene).reaching("ONE", "1")
        found = await import_account(keys.world(), file_of(scene, "one"), crossed=False)
        assert found.desired.uid is not None
        wrong = await apply(keys.world(), [file_of(scene, "one", uid="999")])
        assert scene.moved_by_calls() == []
        right = await apply(keys.world(), [file_of(scene, "one", uid=found.desired.uid)])
        return wrong, right, found.desired.uid

    (wrong, right, uid), scene = play(act, Scene(exchange))
    (error,) = wrong.accounts[0].errors
    assert (wrong.exit_code, error.key) == (4, "account")
    assert "pins [account] uid 999" in error.message
    assert f"belongs to account {uid}" in error.message
    assert right.exit_code == 0
    assert len(scene.moved_by_calls()) == 1


def test_a_pin_that_cannot_be_checked_is_refused() -> None:
    async def act(scene: Scene) -> Result:
        world = Keys(scene).reaching("ONE", "1").world()

        def connected(desired: DesiredAccount, read_only: bool) -> Connection[Writer]:  # noqa: FBT001 - the world's signature
            made = world.connect(desired, read_only)

            async def none() -> None:
                return None

            made.adapter.account_uid = none  # type: ignore[method-assign]
            return made

        return await apply(replace(world, connect=connected), [file_of(scene, "one", uid="7")])

    result, scene = play(act)
    (error,) = result.accounts[0].errors
    assert (result.exit_code, error.key, scene.moved_by_calls()) == (4, "account", [])
    assert "does not tell which account the key of ONE belongs to" in error.message


def test_files_with_different_pins_do_not_wait_for_each_other() -> None:
    async def act(scene: Scene) -> tuple[Result, int]:
        keys = Keys(scene).reaching("ONE", "1").reaching("TWO", "2", account="two")
        world = keys.world()
        uids = [
            (await import_account(world, file_of(scene, name), crossed=False)).desired.uid for name in ("one", "two")
        ]
        began = scene.loop.now_ms()

        def connected(desired: DesiredAccount, read_only: bool) -> Connection[Writer]:  # noqa: FBT001 - the world's signature
            made = world.connect(desired, read_only)
            if desired.name == "two":
                ask = made.adapter.account_uid

                async def late() -> str | None:
                    await scene.pass_time(50_000)
                    return await ask()

                made.adapter.account_uid = late  # type: ignore[method-assign]
            return made

        files = [file_of(scene, "one", uid=uids[0]), file_of(scene, "two", uid=uids[1])]
        result = await apply(replace(world, connect=connected), files)
        return result, scene.place.books.effects[-1].time_ms - EPOCH_MS - began

    (result, after_ms), scene = play(act)
    assert result.exit_code == 0
    assert len(scene.moved_by_calls()) == 1
    assert after_ms < 10_000


def test_import_refuses_a_folder_that_declares_the_account_already() -> None:
    async def act(scene: Scene) -> list[str]:
        keys = Keys(scene).reaching("NEW", "1").reaching("OLD", "2").reaching("OTHER", "3", account="other")
        new, old, other = (file_of(scene, name) for name in ("new", "old", "other"))
        pinned = replace(old, uid=(await import_account(keys.world(), old, crossed=False)).desired.uid)
        keyless = replace(pinned, credentials="NOWHERE")
        said = []
        for beside in ([old, other], [pinned], [keyless, other], [replace(old, credentials="NOWHERE")], [other]):
            try:
                found = await import_account(keys.world(), new, crossed=False, beside=beside)
                said.append("; ".join(found.notes))
            except ReconcileError as error:
                said.append(f"{type(error).__name__}: {error}")
        return said

    old, pinned, keyless, unknown, other = play(act)[0]
    for refusal in (old, pinned, keyless):
        assert refusal.startswith(
            "Declined: identifying new: 2 state files reach one Binance USD-M account: states/new.toml"
        )
        assert "states/old.toml (credentials " in refusal
    assert "cannot tell whether states/old.toml is for the same account" in unknown
    assert "cannot tell" not in other


# A journal from before the exchange was asked which account a key belongs to.


def by_key(world: World, *, breaks: bool = False) -> World:
    """As versions did that knew an account by its key; with ``breaks`` no call's outcome can be found out."""

    def connected(desired: DesiredAccount, read_only: bool) -> Connection[Writer]:  # noqa: FBT001 - the world's signature
        made = world.connect(desired, read_only)
        if breaks:
            send = made.adapter.send

            async def unclear(*args: Any, **named: Any) -> Any:
                await send(*args, **named)
                raise RuntimeError("the answer is lost")

            async def unreadable(*_args: Any, **_named: Any) -> Any:
                raise ReadFailed("reading the ledger: no answer", again=False)

            made.adapter.send, made.adapter.ledger = unclear, unreadable  # type: ignore[method-assign]
        return replace(made, identify=lambda _: made.identify(None), former=lambda _: ())

    return replace(world, connect=connected)


def journals(scene: Scene) -> list[str]:
    return [name for name in scene.world().store.identities() if not is_notes(name)]


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_what_is_unsettled_under_a_key_is_settled_under_the_account_and_not_sent_again(exchange: str) -> None:
    async def act(scene: Scene) -> tuple[Result, Plan, list[str], Result]:
        keys = Keys(scene).reaching("ONE", "1")
        file = file_of(scene, "one")
        first = await apply(by_key(keys.world(), breaks=True), [file])
        plan = await planning.plan(keys.world(), [file], targets=(), overrides={}, expires_ms=1, git_commit=None)
        return first, plan, journals(scene), await apply(keys.world(), [file])

    (first, plan, before, second), scene = play(act, Scene(exchange))

    assert (first.exit_code, len(scene.moved_by_calls()), len(before)) == (5, 1, 1)
    assert "-key-" in before[0]
    assert [entry.status.value for entry in plan.accounts[0].entries][:1] == ["held"]
    assert (second.exit_code, second.accounts[0].steps) == (0, ())
    (after,) = journals(scene)
    store = scene.world().store
    assert "-key-" not in after
    assert plan.accounts[0].identity == after
    assert (store.read(after).unsettled, store.read(after).identities) == ({}, [before[0], after])
    assert store.read(after).head == second.accounts[0].journal_head
    assert any(f"the journal {before[0]} was moved to {after}" in line for line in scene.place.progress)


def test_a_plan_saved_for_a_key_is_refused_once_the_account_is_known() -> None:
    async def act(scene: Scene) -> Result:
        keys = Keys(scene).reaching("ONE", "1")
        file = file_of(scene, "one")
        made = await planning.plan(
            by_key(keys.world()), [file], targets=(), overrides={}, expires_ms=HOUR_MS, git_commit=None
        )
        saved = loads_plan(dumps(plan_document(made)))
        desired = [account.desired for account in saved.plan.accounts]
        return await applying.apply(keys.world(), desired, reason=None, git_commit=None, confirm=None, saved=saved)

    result, scene = play(act)
    (error,) = result.accounts[0].errors
    assert (result.exit_code, error.key, scene.moved_by_calls()) == (4, "account", [])
    assert "was known by its key or host" in error.message
    assert "make a new plan" in error.message


def test_an_account_frozen_under_its_key_stays_frozen_under_its_id_and_any_name() -> None:
    async def act(scene: Scene) -> tuple[Result, Result]:
        keys = Keys(scene).reaching("ONE", "1").reaching("RENAMED", "1")
        assert (await apply(by_key(keys.world()), [file_of(scene, "one")])).exit_code == 0
        await freeze(keys.world(), "one", reason="stop", declared=())
        renamed = [file_of(scene, "renamed")]
        first = await apply(keys.world(), renamed)
        await unfreeze(keys.world(), None, reason="go on")
        return first, await apply(keys.world(), renamed)

    (frozen, lifted), scene = play(act)
    (error,) = frozen.accounts[0].errors
    assert (frozen.exit_code, error.key, lifted.exit_code) == (4, "frozen", 0)
    assert len(scene.moved_by_calls()) == 2


def test_a_key_that_may_no_longer_ask_begins_no_second_journal() -> None:
    async def act(scene: Scene) -> Result:
        keys = Keys(scene).reaching("ONE", "1")
        file = file_of(scene, "one")
        assert (await apply(by_key(keys.world()), [file])).exit_code == 0
        assert (await apply(keys.world(), [file])).exit_code == 0
        return await apply(by_key(keys.world()), [file_of(scene, "one", more="500")])

    result, scene = play(act)
    (error,) = result.accounts[0].errors
    assert (result.exit_code, error.key, len(scene.moved_by_calls()), len(journals(scene))) == (4, "account", 1, 1)
    assert "it was moved to" in error.message


# A key that may not ask for a while: its journal stays beside the account's own.


def fenced(world: World) -> World:
    """As with a live account: a run that cannot know all earlier calls waits for the cold fence."""
    return replace(
        world, connect=lambda desired, read_only: replace(world.connect(desired, read_only), cold_fence=True)
    )


class Behind:
    """The faults of an exchange whose reads are four seconds late from some moment on."""

    def __init__(self) -> None:
        self.is_late = False

    def pick(self, request: Request) -> Fault:
        late = Lag(positions_ms=4_000, balances_ms=4_000, ledger_ms=4_000)
        return Fault(lag=late) if self.is_late and request.method == "GET" else NO_FAULT


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_a_step_in_a_journal_beside_the_accounts_own_is_not_sent_again_on_a_late_read(exchange: str) -> None:
    faults = Behind()

    async def act(scene: Scene) -> tuple[Result, Result]:
        keys = Keys(scene).reaching("ONE", "1")
        assert (await apply(fenced(keys.world()), [file_of(scene, "one", more="0")])).exit_code == 0
        file = file_of(scene, "one")
        by_its_key = await apply(fenced(by_key(keys.world())), [file])
        faults.is_late = True
        return by_its_key, await apply(fenced(keys.world()), [file])

    (by_its_key, last), scene = play(act, Scene(exchange, faults=faults))

    assert [step.outcome.value for step in by_its_key.accounts[0].steps] == ["applied"]
    assert (last.exit_code, last.accounts[0].steps, len(scene.moved_by_calls())) == (0, (), 1)
    assert len(journals(scene)) == 2
    (closed,) = (line for line in scene.place.progress if "was closed; runs go on in" in line)
    assert "was moved" not in closed


def test_the_limit_of_a_day_counts_the_journals_beside_the_accounts_own() -> None:
    async def act(scene: Scene) -> tuple[Plan, Result]:
        keys = Keys(scene).reaching("ONE", "1")

        def limited(more: str) -> DesiredAccount:
            made = file_of(scene, "one", more=more)
            return replace(made, policy=replace(made.policy, max_day_add={"USDT": Decimal(350)}))

        await apply(keys.world(), [limited("0")])
        assert (await apply(by_key(keys.world()), [limited("300")])).exit_code == 0
        await scene.pass_time(HOUR_MS)
        file = limited("100")
        plan = await planning.plan(keys.world(), [file], targets=(), overrides={}, expires_ms=1, git_commit=None)
        return plan, await apply(keys.world(), [file])

    (plan, result), scene = play(act)

    assert len(scene.moved_by_calls()) == 1
    assert result.exit_code == 4
    for errors in (plan.accounts[0].errors, result.accounts[0].errors):
        assert [error.key for error in errors] == ["max_day_add"]
        assert "adding 100 USDT to the 300 of earlier runs today" in errors[0].message
