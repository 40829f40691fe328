"""Every movement of margin as an auditor exports it: whose it was, from which plan, and what they add up to."""

import csv
import io
import json
from dataclasses import replace
from decimal import Decimal

import pytest

from reconcile.audit.exporting import CAUSES, export, totals
from reconcile.audit.run_log import Filter
from reconcile.errors import InputError
from reconcile.evidence import attribution, explain
from reconcile.journal.file.store import FileStore
from reconcile.journal.records import IntentStatus
from reconcile.model.exports import MovementExport
from reconcile.model.reports import Movement
from reconcile.render.audit.movements import movements_csv, movements_document, movements_markdown, movements_text
from reconcile.render.common import csv_text
from tests.kit.audit_month import ACCOUNT, BEGUN_MS, HOSTILE, HOUR_MS, LONG, SHORT, Calendar, Desk, a_month
from tests.kit.documents import check

D = Decimal
DAY_MS = 24 * HOUR_MS


def shown(found: MovementExport) -> list[tuple[str, str, Decimal | None]]:
    return [(each.movement.address, each.movement.cause, each.movement.change) for each in found.movements]


def test_the_causes_are_those_that_movements_have() -> None:
    assert {explain.OPENED, explain.CLOSED, explain.RESIZED, attribution.UNEXPLAINED} < set(CAUSES)


def test_every_movement_is_exported_with_what_it_was_sent_from(desk: Desk, store: FileStore) -> None:
    desk.apply((LONG, "300"), reason="weekly review")
    desk.margins[LONG] -= 40
    desk.apply(actor="cron")

    found = export(store, Filter())

    assert shown(found) == [(LONG, "reconcile", D(300)), (LONG, "unexplained", D(-40))]
    ours, theirs = (each.movement for each in found.movements)
    assert (ours.actor, ours.reason, ours.host, ours.git_commit) == ("alice", "weekly review", "runner-1", "4f2a9c")
    assert (ours.run_id, ours.plan_id, ours.digest) == ("run0001", "p1", "sha256:abc")
    assert (theirs.actor, theirs.git_commit, theirs.plan_id, theirs.digest) == ("", "", "", "")
    assert (theirs.run_id, theirs.host) == ("run0002", "runner-1")


def test_a_step_that_a_later_run_settles_is_of_the_actor_who_sent_it(desk: Desk, store: FileStore) -> None:
    desk.apply((LONG, "300"), known=(IntentStatus.UNKNOWN,), actor="alice")
    desk.settle(f"run0001-{LONG}", IntentStatus.APPLIED, "1500")

    (movement,) = (each.movement for each in export(store, Filter()).movements)

    assert (movement.actor, movement.run_id, movement.change) == ("alice", "run0001", D(300))


def test_a_step_that_moved_nothing_is_no_movement_and_one_that_nobody_knows_has_no_amount(
    desk: Desk, store: FileStore
) -> None:
    desk.apply((LONG, "300"), known=(IntentStatus.REFUSED,))
    desk.apply((SHORT, "55"), known=(IntentStatus.UNKNOWN,), finish=False)

    found = export(store, Filter())

    assert shown(found) == [(SHORT, "reconcile", None)]
    assert found.movements[0].movement.asked == D(55)
    assert (found.totals[0].net, found.totals[0].movements, found.totals[0].unclear) == (D(0), 0, 1)


def test_the_totals_are_by_cause_actor_and_asset_and_exact() -> None:
    def movement(cause: str, change: str, actor: str = "", asset: str = "USDT") -> Movement:
        return Movement(at="", at_ms=0, address=LONG, asset=asset, cause=cause, change=D(change), actor=actor)

    wide = "0." + "1" * 38
    several = [
        movement("funding", "-1.5"),
        movement("reconcile", "300", "bob"),
        movement("reconcile", "-100", "bob"),
        movement("reconcile", wide, "bob"),
        movement("reconcile", "7", "alice"),
        movement("reconcile", "0.1", "bob", asset="BTC"),
    ]

    assert [(t.cause, t.actor, t.asset, t.added, t.removed, t.net) for t in totals(several)] == [
        ("reconcile", "alice", "USDT", D(7), D(0), D(7)),
        ("reconcile", "bob", "BTC", D("0.1"), D(0), D("0.1")),
        ("reconcile", "bob", "USDT", D("300." + "1" * 38), D(100), D("200." + "1" * 38)),
        ("funding", "", "USDT", D(0), D("1.5"), D("-1.5")),
    ]


WANTED = {
    "an actor": (Filter(actor="bob"), (), 1),
    "an address": (Filter(address="ETH*"), (), 24),
    "a cause": (Filter(), ("reconcile",), 4),
    "a period": (Filter(since_ms=BEGUN_MS + 20 * DAY_MS, until_ms=BEGUN_MS + 22 * DAY_MS), ("unexplained",), 4),
    "an account": (Filter(account="other"), (), 0),
}


@pytest.mark.parametrize("case", WANTED)
def test_what_is_asked_for_is_exported(case: str, store: FileStore, clock: Calendar) -> None:
    wanted, causes, count = WANTED[case]
    a_month(store, clock)
    Desk(store=store, clock=clock, account="other", identity="okx-live-77").apply(actor="cron")

    found = export(store, wanted, causes=frozenset(causes))

    assert len(found.movements) == count


def test_the_margin_from_before_the_period_is_known(store: FileStore, clock: Calendar) -> None:
    """A period begins with a margin that was seen before it, so its first movement is told too."""
    a_month(store, clock)

    whole = [each for each in export(store, Filter()).movements if each.at >= "2026-10-01"]
    since = export(store, Filter(since_ms=BEGUN_MS + 9 * DAY_MS)).movements

    assert [each for each in since if each.at >= "2026-10-01"] == whole


def test_a_filter_that_no_run_can_match_is_an_error(store: FileStore, clock: Calendar) -> None:
    a_month(store, clock)

    with pytest.raises(InputError, match="did you mean alice"):
        export(store, Filter(actor="alcie"))


def test_every_form_tells_the_same_and_the_document_has_its_schema(store: FileStore, clock: Calendar) -> None:
    a_month(store, clock)
    found = export(store, Filter())

    document = json.loads(json.dumps(movements_document(found)))
    text = movements_csv(found)
    table = list(csv.DictReader(io.StringIO(text.removeprefix(csv_text.BOM))))

    check(document)
    assert text.startswith(csv_text.BOM)
    assert [row["change"] for row in table] == [each["change"] or "" for each in document["movements"]]
    assert {(row["git_commit"], row["plan_id"], row["digest"], row["host"]) for row in table} == {
        ("4f2a9c", "p1", "sha256:abc", "runner-1"),
        ("", "", "", "runner-1"),
    }
    assert movements_text(found).endswith(f"\n{len(found.movements)} movements.\n")
    assert movements_markdown(found).count("\n| 20") == len(found.movements)


def test_what_others_wrote_is_inert_in_every_form(store: FileStore, clock: Calendar) -> None:
    a_month(store, clock)
    (hostile,) = (each for each in export(store, Filter()).movements if each.movement.reason == HOSTILE)
    formula = replace(hostile, movement=replace(hostile.movement, actor='=HYPERLINK("x")', address="@SUM(A1)"))
    found = MovementExport(movements=(formula,), totals=tuple(totals([formula.movement])))

    table = movements_csv(found)

    assert "'=HYPERLINK" in table
    assert "'@SUM" in table
    for text in (table, movements_text(found), movements_markdown(found)):
        assert "\u202e" not in text
    assert "<script>" not in movements_markdown(found)


def test_an_export_of_nothing_says_so(desk: Desk, store: FileStore) -> None:
    desk.apply()

    assert movements_text(export(store, Filter(account=ACCOUNT))) == "0 movements.\n"
