"""What an auditor is told: runs, the log, what moved between two moments, and whether the chain holds. Both stores."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from reconcile.audit.comparing import compare
from reconcile.audit.movements import Tracker
from reconcile.audit.reading import runs
from reconcile.audit.run_log import Filter, find_runs, log
from reconcile.audit.verifying import verify
from reconcile.errors import InputError
from reconcile.journal.chain import entry_of
from reconcile.journal.codec import parse_line, seal
from reconcile.journal.file.disk import SystemDisk
from reconcile.journal.file.store import FileStore
from reconcile.journal.records import IntentStatus
from reconcile.model.reports import Run
from reconcile.money import ZERO, plus
from reconcile.render.audit.chain import chain_document, chain_text, head_text
from reconcile.render.audit.diff import diff_document, diff_markdown, diff_text
from reconcile.render.audit.log import log_csv, log_document, log_markdown, log_text
from reconcile.render.audit.run import run_document, run_markdown, run_text
from reconcile.render.common import csv_text
from tests.kit.audit_month import ACCOUNT, BEGUN_MS, HOSTILE, HOUR_MS, LONG, SHORT, Calendar, Desk, a_month
from tests.kit.journals import inline

D = Decimal


def all_runs(store: FileStore) -> list[Run]:
    return list(runs(store.lines(ACCOUNT), identity=ACCOUNT))


# Runs.


def test_a_run_tells_who_why_from_what_and_each_step_with_its_answer_and_evidence(desk: Desk, store: FileStore) -> None:
    desk.apply((LONG, "300"), reason="weekly review")

    (run,) = all_runs(store)
    (step,) = run.steps

    assert (run.account, run.actor, run.reason, run.command, run.outcome, run.exit_code) == (
        "desk",
        "alice",
        "weekly review",
        "apply",
        "done",
        0,
    )
    facts = ("tool_version", "git_commit", "git_dirty", "state_sha256", "plan_id", "policy")
    assert all(getattr(run.start, name) is not None for name in facts)
    assert run.host == "runner-1"
    assert (run.first_line, run.last_line) == (2, 7)
    assert (step.before, step.amount, step.after, step.outcome) == ("1200", "300", "1500", "applied")
    assert step.answer == "200 Successfully modify position margin."
    assert step.evidence == "1200 → 1500 seen after the exchange said yes"
    assert (step.at, step.signed_at_ms) == ("2026-09-21T14:13:20.000Z", BEGUN_MS + 7)
    assert run.live is not None
    assert run.live[LONG].liquidation_distance == D("0.15")


def test_a_step_that_a_later_run_settles_is_told_by_both(desk: Desk, store: FileStore) -> None:
    desk.apply((LONG, "300"), known=(IntentStatus.UNKNOWN,))
    desk.settle(f"run0001-{LONG}", IntentStatus.APPLIED, "1500")

    first, second = all_runs(store)

    assert (first.steps[0].outcome, first.steps[0].settled_by) == ("unknown", "run0001")
    assert (second.settled[0].outcome, second.settled[0].run_id, second.settled[0].settled_by) == (
        "applied",
        "run0001",
        "run0002",
    )
    assert second.settled[0].ledger_row == "77"


def test_a_persons_word_is_told_with_who_said_it(desk: Desk, store: FileStore) -> None:
    desk.apply((LONG, "300"), known=(IntentStatus.UNKNOWN,))
    desk.resolve(f"run0001-{LONG}", applied=False)

    last = all_runs(store)[-1]

    assert last.command == "resolve"
    assert (last.settled[0].outcome, last.settled[0].evidence) == ("not_applied", "bob said so: seen in the app")


def test_a_run_that_was_killed_is_cut_off_and_its_step_in_flight(desk: Desk, store: FileStore) -> None:
    desk.apply((LONG, "300"), known=(), finish=False)
    desk.apply(actor="cron")

    killed = all_runs(store)[0]

    assert (killed.outcome, killed.finished_at, killed.steps[0].outcome) == ("cut_off", None, "in_flight")


def test_a_refusal_before_the_lock_is_a_run_of_its_own(desk: Desk, store: FileStore) -> None:
    desk.refuse("frozen", "frozen: incident 7")

    (run,) = all_runs(store)

    assert (run.refused, run.outcome, run.exit_code, run.actor, run.errors) == (
        "frozen",
        "refused",
        4,
        "mallory",
        ("frozen: incident 7",),
    )


# The log.


ROWS = {
    "everything": (Filter(), 29),
    "an address": (Filter(address=SHORT), 2),
    "a glob of addresses": (Filter(address="BTC*"), 3),
    "an actor": (Filter(actor="bob"), 1),
    "a glob of actors": (Filter(actor="*o*"), 25),
    "an outcome": (Filter(outcomes=frozenset({"unknown"})), 1),
    "outcomes": (Filter(outcomes=frozenset({"applied", "refused"})), 4),
    "a refusal by its key": (Filter(outcomes=frozenset({"refused:frozen"})), 1),
    "an account": (Filter(account="desk"), 25),
    "an account by its journal": (Filter(account="okx-live-77"), 4),
    "from then on": (Filter(account="desk", since_ms=BEGUN_MS + 20 * 24 * HOUR_MS), 5),
    "before then": (Filter(account="desk", until_ms=BEGUN_MS + 24 * HOUR_MS), 1),
    "an actor beside his time": (Filter(actor="bob", until_ms=BEGUN_MS), 0),
}


@pytest.mark.parametrize("case", ROWS)
def test_the_log_shows_what_was_asked_for(case: str, store: FileStore, clock: Calendar) -> None:
    wanted, count = ROWS[case]
    a_month(store, clock)
    other = Desk(store=store, clock=clock, account="other", identity="okx-live-77")
    for _ in range(4):
        other.apply(actor="cron")

    rows = log(store, wanted)

    assert len(rows) == count
    assert rows == sorted(rows, key=lambda row: row.at)


def test_an_account_nobody_has_is_said(store: FileStore, clock: Calendar) -> None:
    a_month(store, clock)

    with pytest.raises(InputError, match="no journal here is of that name"):
        log(store, Filter(account="nobody"))


def test_every_form_of_the_log_tells_the_same(store: FileStore, clock: Calendar) -> None:
    a_month(store, clock)
    rows = log(store, Filter())

    document = json.loads(json.dumps(log_document(rows)))
    table = list(csv.DictReader(io.StringIO(log_csv(rows))))

    assert [row["run_id"] for row in document["rows"]] == [row["run_id"] for row in table] == [r.run_id for r in rows]
    assert [row["amount"] for row in table] == [row.amount for row in rows]
    assert log_text(rows).count("\n") == len(rows) + 1
    assert log_markdown(rows).count("\n| ") == len(rows) + 1


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("=1+1", "'=1+1"),
        ("@x", "'@x"),
        ("+1+1", "'+1+1"),
        ("-cmd|' /C calc'!A0", "'-cmd|' /C calc'!A0"),
        (" =1", "' =1"),
        ("\uff1d1", "'\uff1d1"),
        ("-14.2", "-14.2"),
        ("+300", "+300"),
        ("plain", "plain"),
        ("a\tb", "a\\x09b"),
        ("", ""),
    ],
)
def test_a_spreadsheet_runs_nothing_of_what_others_wrote(cell: str, shown: str) -> None:
    assert csv_text.cell(cell) == shown


def test_what_others_wrote_is_inert_in_markdown(store: FileStore, clock: Calendar) -> None:
    a_month(store, clock)

    shown = log_markdown(log(store, Filter())) + run_markdown(find_runs(store, "run0008"))

    assert "<script>" not in shown
    assert "\u202e" not in shown


def test_a_run_is_found_by_as_much_of_its_id_as_is_unique(desk: Desk, store: FileStore) -> None:
    desk.apply((LONG, "300"))
    desk.apply(actor="cron")

    assert [run.run_id for run in find_runs(store, "run0002")] == ["run0002"]
    with pytest.raises(InputError, match="several begin so"):
        find_runs(store, "run")
    with pytest.raises(InputError, match="no journal here has it"):
        find_runs(store, "x")


def test_one_run_is_shown_whole_in_every_form(store: FileStore, clock: Calendar) -> None:
    a_month(store, clock)
    found = find_runs(store, "run0008")

    document = run_document(found)["accounts"][0]

    assert (document["reason"], document["git_dirty"], document["policy"]) == (HOSTILE, True, {"max_add": "5000"})
    assert document["steps"][0]["answer"] == "200 Successfully modify position margin."
    assert document["steps"][0]["signed_at"] == "2026-09-28T14:13:34.127Z"
    assert document["live"][LONG]["isolated_margin"] == "1500"
    for shown in (run_text(found), run_markdown(found)):
        assert all(word in shown for word in ("alice", "249.59", "1250.41", "abab", "Successfully modify"))


# Between two moments.


def test_between_two_runs_every_movement_is_told_by_cause_and_adds_up(store: FileStore, clock: Calendar) -> None:
    a_month(store, clock)

    (found,) = compare(store, "run0001", "run0025")

    by_address = {change.address: change for change in found.addresses}
    long = by_address[LONG]
    ours = [movement for movement in long.movements if movement.cause == "reconcile"]
    drift = [movement for movement in long.movements if movement.outcome == "drift"]
    assert [movement.change for movement in ours] == [D("249.59"), D("606.85")]
    assert [movement.change for movement in drift] == [D("-241.37")]
    for change in found.addresses:
        total = change.before or ZERO
        for movement in change.movements:
            total = plus(total, movement.change or ZERO)
        assert total == change.after


SETTLED = {
    "applied after doubt": ((IntentStatus.UNKNOWN,), IntentStatus.APPLIED, "1500", [None, D(300)]),
    "not applied after doubt": ((IntentStatus.UNKNOWN,), IntentStatus.NOT_APPLIED, None, [None, ZERO]),
    "applied after a yes": ((IntentStatus.ACCEPTED,), IntentStatus.APPLIED, "1500", [D(300)]),
}


@pytest.mark.parametrize("case", SETTLED)
def test_a_movement_is_counted_once_whoever_learns_of_it(case: str, desk: Desk, store: FileStore) -> None:
    known, later, after, changes = SETTLED[case]
    desk.apply(actor="cron")
    desk.apply((LONG, "300"), known=known, finish=False)
    desk.settle(f"run0002-{LONG}", later, after)

    tracker = Tracker({LONG: D(1200), SHORT: D("900.5")})
    movements = [each for run in all_runs(store)[1:] for each in tracker.take(run)]

    assert [each.change for each in movements if each.cause == "reconcile"] == changes
    assert [each for each in movements if each.cause != "reconcile"] == []
    assert tracker.known[LONG] == desk.margins[LONG]


def test_runs_are_named_in_the_order_in_which_they_were(desk: Desk, store: FileStore) -> None:
    desk.apply()
    desk.apply()

    with pytest.raises(InputError, match="the later one"):
        compare(store, "run0002", "run0001")


def test_runs_of_different_accounts_are_not_compared(desk: Desk, store: FileStore, clock: Calendar) -> None:
    desk.apply()
    other = Desk(store=store, clock=clock, account="other", identity="okx-live-77", number=1)
    other.apply()

    with pytest.raises(InputError, match="no account in common"):
        compare(store, "run0001", "run0002")


def test_a_comparison_reads_the_same_in_every_form(store: FileStore, clock: Calendar) -> None:
    a_month(store, clock)
    found = compare(store, "run0001", "run0013")

    document = diff_document(found)["accounts"][0]["addresses"][0]

    assert (document["address"], document["before"], document["after"]) == (LONG, "1500", "2100")
    assert [m["change"] for m in document["movements"] if m["cause"] == "reconcile"] == ["249.59", "606.85"]
    for shown in (diff_text(found), diff_markdown(found)):
        assert all(word in shown for word in (LONG, "1500", "2100", "−241.37", "+606.85", "drift"))


def test_a_run_without_a_look_is_compared_by_its_steps_and_says_so(desk: Desk, store: FileStore) -> None:
    desk.apply((LONG, "300"), finish=False)
    desk.apply()

    (found,) = compare(store, "run0001", "run0002")

    assert "ended without a look" in found.problem
    assert found.addresses[0].before == D(1500)


# The chain.


Forge = Callable[[list[bytes]], list[bytes]]


def forged(lines: list[bytes]) -> list[bytes]:
    """One who knows about the checksum, but cannot change every line after it."""
    body = lines[3].rpartition(b',"crc":')[0].replace(b"300", b"900") + b"}"
    return [*lines[:3], seal(body), *lines[4:]]


FORGERIES: dict[str, tuple[Forge, int]] = {
    "forged": (forged, 4),
    "changed": (lambda lines: [*lines[:3], lines[3].replace(b"300", b"900"), *lines[4:]], 4),
    "dropped": (lambda lines: [*lines[:4], *lines[5:]], 5),
    "inserted": (lambda lines: [*lines[:5], lines[4], *lines[5:]], 6),
    "reordered": (lambda lines: [*lines[:4], lines[5], lines[4], *lines[6:]], 5),
    "without its beginning": (lambda lines: lines[1:], 1),
}


@pytest.fixture
def journal(desk: Desk, tmp_path: Path) -> Path:
    for _ in range(3):
        desk.apply((LONG, "300"))
    return tmp_path / "journal" / f"{ACCOUNT}.jsonl"


@pytest.mark.parametrize("case", FORGERIES)
def test_verify_names_the_first_bad_line(case: str, journal: Path, store: FileStore) -> None:
    forge, line = FORGERIES[case]
    journal.write_bytes(b"".join(forge(journal.read_bytes().splitlines(keepends=True))))

    (verdict,) = verify(store, {})

    assert (verdict.is_good, verdict.bad_line) == (False, line)
    assert f"line {line}" in chain_text([verdict])
    assert chain_document([verdict])["good"] is False


def cut(journal: Path, count: int) -> None:
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-count]))


@pytest.mark.parametrize("name", ["desk", ACCOUNT])
def test_a_cut_end_is_found_against_a_pinned_head_and_not_without(name: str, journal: Path, store: FileStore) -> None:
    pins = {name: verify(store, {})[0].head}
    cut(journal, 2)

    assert [each.is_good for each in verify(store, {})] == [True]
    (verdict,) = verify(store, pins)
    assert (verdict.is_good, "cut off or replaced" in verdict.message) == (False, True)


def test_a_journal_that_is_gone_or_cut_to_nothing_is_found_against_a_pin(journal: Path, store: FileStore) -> None:
    pins = {"desk": verify(store, {})[0].head}
    cut(journal, 18)
    assert [each.is_good for each in verify(store, pins)] == [True, False]

    journal.unlink()

    (verdict,) = verify(store, pins)
    assert (verdict.is_good, verdict.account, "missing" in verdict.message) == (False, "desk", True)


def test_a_pinned_head_holds_while_the_journal_grows(desk: Desk, journal: Path, store: FileStore) -> None:
    pins = {"desk": verify(store, {})[0].head}
    desk.apply((LONG, "10"))

    (verdict,) = verify(store, pins)

    assert (verdict.is_good, verdict.pinned) == (True, pins["desk"])
    assert verdict.head != pins["desk"]


def test_an_account_is_found_by_any_name_it_ever_had(desk: Desk, store: FileStore) -> None:
    desk.apply()
    pins = {"desk": verify(store, {})[0].head}
    desk.account = "renamed"
    desk.apply()

    assert [each.is_good for each in verify(store, pins)] == [True]
    assert head_text(verify(store, {})).startswith("renamed=")


def test_a_rewritten_journal_that_is_good_in_itself_is_found_against_a_pin(journal: Path, store: FileStore) -> None:
    pins = {"desk": verify(store, {})[0].head}
    journal.unlink()
    Desk(store=store, clock=Calendar()).apply((LONG, "1"))

    (verdict,) = verify(store, pins)

    assert (verdict.is_good, "pinned" in verdict.message) == (False, True)


class Counting(FileStore):
    """Counts the lines that are read."""

    taken = 0

    def _whole_lines(self, path: Path) -> Iterator[bytes]:
        for line in super()._whole_lines(path):
            self.taken += 1
            yield line


def test_verify_reads_a_journal_line_by_line_and_no_further_than_the_break(journal: Path, tmp_path: Path) -> None:
    store = Counting(tmp_path, SystemDisk(), Calendar(), inline)
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(FORGERIES["changed"][0](lines)))

    verify(store, {})

    assert store.taken <= 6 < len(lines)


def test_records_of_a_kind_of_a_later_version_are_passed_over(journal: Path, store: FileStore) -> None:
    lines = journal.read_bytes().splitlines(keepends=True)
    last = dict(parse_line(lines[-1]))

    records = [*store.lines(ACCOUNT), entry_of({**last, "kind": "of_tomorrow"})]

    assert replace(list(runs(records, identity=ACCOUNT))[-1], notes=()).run_id == "run0003"
