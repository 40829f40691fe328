"""What one look at both witnesses proves, row by row of the table."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.evidence.possible import MarginEvidence, Possible
from reconcile.evidence.rows import match_rows, signed_amount
from reconcile.evidence.staleness import stale_basis
from reconcile.evidence.verdict import Sight, Verdict, judge, judge_setting, sight
from reconcile.journal.records import Effect, Intent, IntentStatus
from reconcile.model.account import MarginType, Position
from reconcile.model.ledger import Cause, LedgerRead, LedgerRow
from reconcile.protocol.timing import unsure_since
from tests.kit.desk import CROSSED, FENCE_MS, ISOLATED, SIGNED_MS, D, at, intent, position, row

PLACE = "BTCUSDT.long"
STEP = D("0.0001")

# Rows.


@pytest.mark.parametrize(
    ("found", "ours"),
    [
        (row(), True),
        (row(side=None), True),
        (row(side="short"), False),
        (row(symbol="ETHUSDT"), False),
        (row(cause=Cause.FUNDING), False),
        (row(cause=Cause.FILL), False),
        (row(cause=Cause.AUTO), False),
        (row("-300"), False),
        (row("300.0001"), True),
        (row("299.9999"), True),
        (row("300.00011"), False),
        (row(time_ms=SIGNED_MS - 1000), True),
        (row(time_ms=SIGNED_MS - 1001), False),
        (row(time_ms=FENCE_MS), True),
        (row(time_ms=FENCE_MS + 1), False),
        (row(row_id="claimed"), False),
    ],
)
def test_a_row_is_ours_only_when_everything_about_it_fits(*, found: LedgerRow, ours: bool) -> None:
    assert match_rows([found], intent(), claims={"claimed"}, step_size=STEP).ours == ((found,) if ours else ())


def test_a_reduction_matches_a_row_that_takes_out() -> None:
    taking = intent("300", action="reduce_margin", before="1500", wanted="1200")
    out = row("-300")
    assert match_rows([out, row("300", "r2")], taking, claims=(), step_size=STEP).ours == (out,)


def test_a_direction_counts_even_within_one_step_of_zero() -> None:
    assert match_rows([row("-0.0001")], intent("0.0001"), claims=(), step_size=D("0.001")).ours == ()


@pytest.mark.parametrize(("cursor", "found"), [("r1", ["r2", "r3"]), ("r2", ["r3"]), ("elsewhere", ["r1", "r2", "r3"])])
def test_only_rows_after_the_journalled_newest_count(cursor: str, found: list[str]) -> None:
    rows = [row(row_id=name) for name in ("r1", "r2", "r3")]
    matching = match_rows(rows, intent(cursor=cursor), claims=(), step_size=STEP).ours
    assert [one.row_id for one in matching] == found


def test_a_row_after_the_newest_but_older_than_the_request_is_not_ours() -> None:
    late = row(row_id="r2", time_ms=SIGNED_MS - 5000)
    assert match_rows([row(row_id="r1"), late], intent(cursor="r1"), claims=(), step_size=STEP).ours == ()


# Margin.


@pytest.mark.parametrize(
    ("after", "amount", "explained", "says"),
    [
        ("1500", "300", "0", MarginEvidence.MOVED),
        ("1425", "300", "0", MarginEvidence.MOVED),
        ("1575", "300", "0", MarginEvidence.MOVED),
        ("1424.9", "300", "0", MarginEvidence.CANNOT_TELL),
        ("1575.1", "300", "0", MarginEvidence.CANNOT_TELL),
        ("1200", "300", "0", MarginEvidence.NOT_MOVED),
        ("1275", "300", "0", MarginEvidence.NOT_MOVED),
        ("1125", "300", "0", MarginEvidence.NOT_MOVED),
        ("1275.1", "300", "0", MarginEvidence.CANNOT_TELL),
        ("1124.9", "300", "0", MarginEvidence.CANNOT_TELL),
        ("900", "-300", "0", MarginEvidence.MOVED),
        ("1200", "-300", "0", MarginEvidence.NOT_MOVED),
        ("1500", "-300", "0", MarginEvidence.CANNOT_TELL),
        ("1800", "300", "0", MarginEvidence.CANNOT_TELL),
        ("1400", "300", "-100", MarginEvidence.MOVED),
        ("1100", "300", "-100", MarginEvidence.NOT_MOVED),
        ("1500", "300", "300", MarginEvidence.NOT_MOVED),
        ("1200", "300", "-300", MarginEvidence.CANNOT_TELL),
        ("1210", "-300", "300", MarginEvidence.CANNOT_TELL),
    ],
)
def test_margin_moved_did_not_or_cannot_tell(after: str, amount: str, explained: str, says: MarginEvidence) -> None:
    assert Possible(before=D(1200), amount=D(amount), since=D(explained)).verdict(D(after)) is says


AMOUNTS = st.decimals(min_value=Decimal("0.01"), max_value=Decimal(10**6), places=8)


CHANGED = [position(PLACE, "1200", size="2"), position(PLACE, "700", identity="p2")]


@pytest.mark.parametrize("found", CHANGED, ids=["another size", "another position"])
def test_what_has_changed_is_another_matter_long_after_our_step(found: Position) -> None:
    assert stale_basis(found, effect(identity="p1"), (), long_after=True) is False


UNNAMED_CASES = [
    # name, cause, change, long after, stale
    ("funding, to the last digit", Cause.FUNDING, "-300", False, False),
    ("funding, not to the last digit", Cause.FUNDING, "-299", False, True),
    ("a call, soon", Cause.MANUAL, "-300", False, True),
    ("a call, long after", Cause.MANUAL, "-300", True, False),
    ("a call of another amount, long after", Cause.MANUAL, "-299", True, True),
]


@pytest.mark.parametrize(
    ("cause", "change", "long_after", "stale"), [c[1:] for c in UNNAMED_CASES], ids=[c[0] for c in UNNAMED_CASES]
)
def test_a_row_that_may_be_the_other_sides_explains_only_to_the_last_digit(
    *, cause: Cause, change: str, long_after: bool, stale: bool
) -> None:
    rows = (row(change, "h1", side=None, cause=cause),)
    assert stale_basis(position(PLACE, "1200"), effect(), rows, shared=True, long_after=long_after) is stale


@given(before=AMOUNTS, amount=AMOUNTS, adding=st.booleans())
def test_a_move_and_its_absence_are_never_taken_for_each_other(
    *, before: Decimal, amount: Decimal, adding: bool
) -> None:
    signed = amount if adding else -amount
    drift = amount / 4
    for noise in (-drift, Decimal(0), drift):
        possible = Possible(before=before, amount=signed)
        assert possible.verdict(before + signed + noise) is MarginEvidence.MOVED
        assert possible.verdict(before + noise) is MarginEvidence.NOT_MOVED
        assert possible.verdict(before + 2 * signed + noise) is MarginEvidence.CANNOT_TELL


# Both at once.


def look(
    found: Position | None,
    *rows: LedgerRow,
    wanted: Intent | None = None,
    shared: bool = False,
    reaches_back: bool = True,
) -> Sight:
    return sight(
        wanted or intent(),
        found,
        LedgerRead(rows=rows, reaches_back=reaches_back),
        claims={"claimed"},
        step_size=STEP,
        shared=shared,
    )


UNSURE_CASES = [
    # name, how much the row moved and when, since when rows are unsure, what the margin says
    ("before the look could have missed it", "-300", SIGNED_MS - 7_000, SIGNED_MS - 6_000, MarginEvidence.MOVED),
    ("when the look may have missed it", "-300", SIGNED_MS - 500, SIGNED_MS - 6_000, MarginEvidence.MOVED),
    ("when missing it looks the same", "300", SIGNED_MS - 500, SIGNED_MS - 6_000, MarginEvidence.CANNOT_TELL),
    ("when no look can have missed it", "300", SIGNED_MS - 500, None, MarginEvidence.MOVED),
]


@pytest.mark.parametrize(
    ("change", "time_ms", "since_ms", "margin"),
    [case[1:] for case in UNSURE_CASES],
    ids=[case[0] for case in UNSURE_CASES],
)
def test_what_moved_just_before_the_intent_may_be_in_its_margin_or_not(
    change: str, time_ms: int, since_ms: int | None, margin: MarginEvidence
) -> None:
    earlier = row(change, "f1", cause=Cause.FUNDING, time_ms=time_ms)
    seen = sight(
        intent(),
        position(PLACE, "1500"),
        LedgerRead(rows=(earlier, row()), reaches_back=True),
        claims=(),
        step_size=STEP,
        shared=False,
        unsure_since_ms=since_ms,
    )

    assert (seen.rows, seen.margin) == (("r1",), margin)


FILLED = [
    # the fills, when each came before the intent was signed (less than 0: since), the size now, what the margin says
    (("300",), (2_000,), "1", MarginEvidence.MOVED),
    (("300", "200"), (2_000, 100), "1", MarginEvidence.MOVED),
    (("-300",), (2_000,), "1", MarginEvidence.MOVED),
    (("300",), (2_000,), "2", MarginEvidence.CANNOT_TELL),
    (("300", "-100"), (2_000, 100), "1", MarginEvidence.CANNOT_TELL),
    (("300", "-100"), (2_000, -100), "1", MarginEvidence.CANNOT_TELL),
]


@pytest.mark.parametrize(("changes", "ages", "size", "margin"), FILLED)
def test_a_fill_just_before_the_intent_is_in_its_margin_where_the_size_is_the_same(
    changes: tuple[str, ...], ages: tuple[int, ...], size: str, margin: MarginEvidence
) -> None:
    fills = tuple(
        row(change, f"f{number}", cause=Cause.FILL, time_ms=SIGNED_MS - age)
        for number, (change, age) in enumerate(zip(changes, ages, strict=True))
    )
    seen = sight(
        intent(),
        position(PLACE, "1500", size=size),
        LedgerRead(rows=(*fills, row()), reaches_back=True),
        claims=(),
        step_size=STEP,
        shared=False,
        unsure_since_ms=SIGNED_MS - 6_000,
    )

    assert (seen.rows, seen.margin) == (("r1",), margin)


FUNDING = row("-120", "f1", cause=Cause.FUNDING)
UNNAMED = row("-120", "f1", cause=Cause.FUNDING, side=None)
SMALL = row("-74", "f1", cause=Cause.FUNDING, side=None)
FOREIGN = row("-120", "o1", symbol="ETHUSDT", side=None)

SIGHTS = [
    # the position, the rows, whether both sides are open; the rows that match and what the margin says
    (position(PLACE, "1500"), (row(),), False, ("r1",), MarginEvidence.MOVED),
    (position(PLACE, "1200"), (), False, (), MarginEvidence.NOT_MOVED),
    (position(PLACE, "1200"), (row(), row(row_id="r2")), False, ("r1", "r2"), MarginEvidence.NOT_MOVED),
    (position(PLACE, "1080"), (), False, (), MarginEvidence.CANNOT_TELL),
    (position(PLACE, "1080"), (FUNDING,), False, (), MarginEvidence.NOT_MOVED),
    (position(PLACE, "1380"), (FUNDING, row()), False, ("r1",), MarginEvidence.MOVED),
    (position(PLACE, "1080"), (UNNAMED,), False, (), MarginEvidence.NOT_MOVED),
    (position(PLACE, "1200"), (UNNAMED,), True, (), MarginEvidence.NOT_MOVED),
    (position(PLACE, "1080"), (UNNAMED,), True, (), MarginEvidence.NOT_MOVED),
    (position(PLACE, "1500"), (UNNAMED,), True, (), MarginEvidence.MOVED),
    (
        position(PLACE, "1200"),
        (row("-300", "f1", cause=Cause.FUNDING, side=None),),
        True,
        (),
        MarginEvidence.CANNOT_TELL,
    ),
    (position(PLACE, "1200"), (SMALL,), True, (), MarginEvidence.NOT_MOVED),
    (
        position(PLACE, "1200"),
        (row("-120", "f1", side="short", cause=Cause.FUNDING),),
        True,
        (),
        MarginEvidence.NOT_MOVED,
    ),
    (position(PLACE, "1200"), (FOREIGN,), True, (), MarginEvidence.NOT_MOVED),
    (position(PLACE, "1200"), (row("50", time_ms=SIGNED_MS - 9999),), False, (), MarginEvidence.NOT_MOVED),
    (position(PLACE, "1500"), (row(row_id="claimed"),), False, (), MarginEvidence.NOT_MOVED),
    (None, (), False, (), MarginEvidence.CANNOT_TELL),
    (position(PLACE, "1500", size="0"), (), False, (), MarginEvidence.CANNOT_TELL),
    (position(PLACE, "1500", kind=CROSSED), (), False, (), MarginEvidence.CANNOT_TELL),
]


@pytest.mark.parametrize(("found", "rows", "shared", "matching", "margin"), SIGHTS)
def test_a_look_is_what_both_witnesses_say(
    *,
    found: Position | None,
    rows: tuple[LedgerRow, ...],
    shared: bool,
    matching: tuple[str, ...],
    margin: MarginEvidence,
) -> None:
    seen = look(found, *rows, shared=shared)
    assert (seen.rows, seen.margin, seen.complete) == (matching, margin, True)


def test_a_look_shows_the_live_margin_of_an_open_isolated_position_only() -> None:
    assert look(position(PLACE, "1500")).live == D(1500)
    assert look(position(PLACE, "1500", size="0")).live is None


@pytest.mark.parametrize(
    ("journalled", "now", "says"),
    [
        (None, "p2", MarginEvidence.MOVED),
        ("p1", "p1", MarginEvidence.MOVED),
        ("p1", "p2", MarginEvidence.CANNOT_TELL),
        ("p1", None, MarginEvidence.CANNOT_TELL),
    ],
)
def test_a_reopened_position_tells_nothing(journalled: str | None, now: str | None, says: MarginEvidence) -> None:
    assert look(position(PLACE, "1500", identity=now), wanted=intent(identity=journalled)).margin is says


def test_two_looks_agree_when_they_answer_alike_whatever_the_margin_is() -> None:
    first = look(position(PLACE, "1500"))
    later = Sight(rows=first.rows, margin=first.margin, complete=True, live=D(1499))
    assert first == later
    assert first != look(position(PLACE, "1500"), reaches_back=False)
    assert first != look(position(PLACE, "1500"), row())


@pytest.mark.parametrize(("action", "signed"), [("add_margin", "300"), ("reduce_margin", "-300")])
def test_an_intent_has_a_direction(action: str, signed: str) -> None:
    assert signed_amount(intent(action=action)) == D(signed)


def test_a_type_change_moved_no_margin() -> None:
    with pytest.raises(ValueError, match="moves none"):
        look(None, wanted=intent(None, action="set_margin_type", before="crossed", wanted="isolated"))


# The table.

ANY = tuple(MarginEvidence)
WAS = (None, IntentStatus.ACCEPTED, IntentStatus.UNKNOWN)
TABLE = [
    # rows, margin, then what it proves in doubt, once accepted, once unknown (before the deadline)
    (1, ANY, Verdict.APPLIED, Verdict.APPLIED, Verdict.APPLIED),
    (2, ANY, Verdict.UNKNOWN, Verdict.APPLIED, Verdict.UNKNOWN),
    (3, ANY, Verdict.UNKNOWN, Verdict.APPLIED, Verdict.UNKNOWN),
    (0, (MarginEvidence.MOVED,), Verdict.LOOK_AGAIN, Verdict.LOOK_AGAIN, Verdict.LOOK_AGAIN),
    (0, (MarginEvidence.NOT_MOVED,), Verdict.NOT_APPLIED, Verdict.UNKNOWN, Verdict.UNKNOWN),
    (0, (MarginEvidence.CANNOT_TELL,), Verdict.UNKNOWN, Verdict.UNKNOWN, Verdict.UNKNOWN),
]
LINES = [
    (rows, margin, was, proves)
    for rows, margins, *proven in TABLE
    for margin in margins
    for was, proves in zip(WAS, proven, strict=True)
]


def seen(rows: int, margin: MarginEvidence, *, complete: bool = True) -> Sight:
    return Sight(rows=tuple(f"r{n}" for n in range(rows)), margin=margin, complete=complete)


@pytest.mark.parametrize(("rows", "margin", "was", "proves"), LINES)
def test_a_look_proves_what_the_table_says(
    rows: int, margin: MarginEvidence, was: IntentStatus | None, proves: Verdict
) -> None:
    assert judge(seen(rows, margin), was=was, long_after=False, deadline_passed=False) is proves


@pytest.mark.parametrize(("rows", "margin", "was", "proves"), LINES)
def test_the_deadline_changes_only_what_was_still_looked_for(
    rows: int, margin: MarginEvidence, was: IntentStatus | None, proves: Verdict
) -> None:
    late = Verdict.APPLIED_ON_MARGIN if proves is Verdict.LOOK_AGAIN else proves
    assert judge(seen(rows, margin), was=was, long_after=False, deadline_passed=True) is late


@pytest.mark.parametrize(("rows", "margin", "was", "proves"), LINES)
@pytest.mark.parametrize("deadline_passed", [False, True])
def test_long_after_a_complete_ledger_settles_none_as_not_applied(
    *, rows: int, margin: MarginEvidence, was: IntentStatus | None, proves: Verdict, deadline_passed: bool
) -> None:
    settled = proves if rows else Verdict.NOT_APPLIED
    assert judge(seen(rows, margin), was=was, long_after=True, deadline_passed=deadline_passed) is settled


@pytest.mark.parametrize(("rows", "margin", "was", "proves"), LINES)
def test_out_of_the_ledgers_reach_the_lane_is_released_but_two_rows_stay_for_a_person(
    rows: int, margin: MarginEvidence, was: IntentStatus | None, proves: Verdict
) -> None:
    settled = proves if rows else Verdict.RELEASED
    assert judge(seen(rows, margin, complete=False), was=was, long_after=True, deadline_passed=True) is settled


MAY_BE_THE_OTHER_SIDES = [
    # margin, long after, at the deadline -> proves
    (MarginEvidence.MOVED, False, False, Verdict.APPLIED),
    (MarginEvidence.NOT_MOVED, False, False, Verdict.LOOK_AGAIN),
    (MarginEvidence.NOT_MOVED, False, True, Verdict.UNKNOWN),
    (MarginEvidence.NOT_MOVED, True, False, Verdict.NOT_APPLIED),
    (MarginEvidence.CANNOT_TELL, False, False, Verdict.LOOK_AGAIN),
    (MarginEvidence.CANNOT_TELL, True, True, Verdict.UNKNOWN),
]


@pytest.mark.parametrize(("margin", "long_after", "late", "proves"), MAY_BE_THE_OTHER_SIDES)
def test_a_row_that_may_be_the_other_sides_proves_what_the_margin_says(
    *, margin: MarginEvidence, long_after: bool, late: bool, proves: Verdict
) -> None:
    found = replace(seen(1, margin), named=False)
    assert judge(found, was=None, long_after=long_after, deadline_passed=late) is proves
    assert judge(found, was=IntentStatus.ACCEPTED, long_after=long_after, deadline_passed=late) is Verdict.APPLIED


@pytest.mark.parametrize("was", WAS)
def test_a_ledger_that_does_not_reach_back_is_no_evidence_of_absence(was: IntentStatus | None) -> None:
    found = seen(0, MarginEvidence.NOT_MOVED, complete=False)
    assert judge(found, was=was, long_after=False, deadline_passed=True) is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("live", "proves"),
    [(ISOLATED, Verdict.APPLIED), (CROSSED, Verdict.NOT_APPLIED), (None, Verdict.UNKNOWN)],
)
def test_a_type_change_is_seen_or_it_did_not_happen(live: MarginType | None, proves: Verdict) -> None:
    asked = intent(None, action="set_margin_type", before="crossed", wanted="isolated")
    assert judge_setting(asked, live) is proves


# Stale readings.


def effect(
    before: str | None = "1200",
    after: str | None = "1500",
    *,
    size: str = "1",
    identity: str | None = None,
    claim: str | None = None,
) -> Effect:
    return Effect(
        address=at(PLACE),
        effect_ms=SIGNED_MS + 200,
        signed_ms=SIGNED_MS,
        before=None if before is None else D(before),
        after=None if after is None else D(after),
        size=D(size),
        identity=identity,
        claim=claim,
    )


OUT = row("-300", "h1", time_ms=SIGNED_MS + 900)
STALE_CASES = [
    # the reading, our last move, the ledger since, whether both sides are open; is it no basis?
    ("shows it", position(PLACE, "1500"), effect(), (), False, False),
    ("from before", position(PLACE, "1200"), effect(), (), False, True),
    ("a quarter of it", position(PLACE, "1275"), effect(), (), False, True),
    ("some of it", position(PLACE, "1275.1"), effect(), (), False, True),
    ("nearly all of it", position(PLACE, "1425"), effect(), (), False, False),
    ("more than it", position(PLACE, "1575.1"), effect(), (), False, True),
    ("more than it, explained", position(PLACE, "1600"), effect(),
     (row(), row("100", "f1", cause=Cause.FUNDING)), False, False),
    ("less than before", position(PLACE, "900"), effect(), (), False, True),
    ("reduction shows", position(PLACE, "900"), effect("1200", "900"), (), False, False),
    ("reduction from before", position(PLACE, "1200"), effect("1200", "900"), (), False, True),
    ("reduction, a quarter of it", position(PLACE, "1125"), effect("1200", "900"), (), False, True),
    ("some of a reduction", position(PLACE, "1124.9"), effect("1200", "900"), (), False, True),
    ("another size", position(PLACE, "1200", size="2"), effect(), (), False, True),
    ("another size, and our step shows", position(PLACE, "1500", size="2"), effect(), (), False, False),
    ("another size, by a fill", position(PLACE, "1600", size="2"), effect(),
     (row(), row("100", "f1", cause=Cause.FILL)), False, False),
    ("another position", position(PLACE, "1200", identity="p2"), effect(identity="p1"), (), False, True),
    ("the same position", position(PLACE, "1200", identity="p1"), effect(identity="p1"), (), False, True),
    ("no position", None, effect(), (), False, False),
    ("no margin step", position(PLACE, "1200"), effect(None, None), (), False, False),
    ("no margin known after", position(PLACE, "1200"), effect("1200", None), (), False, False),
    ("a step that cancelled out", position(PLACE, "1200"), effect("1200", "1200"), (), False, False),
    ("only our own row", position(PLACE, "1200"), effect(), (row(),), False, True),
    ("only our claimed row", position(PLACE, "1200"), effect(claim="r1"), (row(),), False, True),
    ("someone took it out", position(PLACE, "1200"), effect(), (row(), OUT), False, False),
    ("someone took it out, our row lags", position(PLACE, "1200"), effect(), (OUT,), False, False),
    ("someone took it out, row claimed", position(PLACE, "1200"), effect(claim="r1"), (row(), OUT), False, False),
    ("an older row", position(PLACE, "1200"), effect(), (row("-300", "h1", time_ms=SIGNED_MS - 5000),), False, True),
    ("another side's row", position(PLACE, "1200"), effect(), (row("-300", "h1", side="short"),), False, True),
    ("an unnamed row", position(PLACE, "1200"), effect(), (row("-300", "h1", side=None),), False, False),
    ("an unnamed row, both open", position(PLACE, "1200"), effect(), (row("-300", "h1", side=None),), True, True),
    ("rows that explain something else", position(PLACE, "1200"), effect(), (row("-40", "h1"),), False, True),
    ("funding besides", position(PLACE, "1190"), effect(), (row("-10", "f1", cause=Cause.FUNDING),), False, True),
    ("claimed, and more was taken than added", position(PLACE, "1100"), effect(after="1100", claim="r1"),
     (row(), row("-400", "h1")), False, False),
    ("the same, from before", position(PLACE, "1200"), effect(after="1100", claim="r1"),
     (row(), row("-400", "h1")), False, True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("found", "last", "rows", "shared", "stale"),
    [case[1:] for case in STALE_CASES],
    ids=[str(case[0]) for case in STALE_CASES],
)
def test_a_reading_from_before_our_last_step_is_no_basis(
    *, found: Position | None, last: Effect, rows: tuple[LedgerRow, ...], shared: bool, stale: bool
) -> None:
    assert stale_basis(found, last, rows, shared=shared) is stale


@pytest.mark.parametrize(
    ("margin", "last", "stale"),
    [
        ("1200", effect(), True),
        ("1275", effect(), True),
        ("1275.1", effect(), False),
        ("1600", effect(), False),
        ("1125", effect("1200", "900"), True),
        ("1124.9", effect("1200", "900"), False),
    ],
)
def test_long_after_our_step_only_a_margin_at_or_behind_the_one_before_it_is_no_basis(
    *, margin: str, last: Effect, stale: bool
) -> None:
    assert stale_basis(position(PLACE, margin), last, (), long_after=True) is stale


def before_it(change: str, ago_ms: int, side: str | None = "long") -> LedgerRow:
    return row(change, "h1", side=side, time_ms=SIGNED_MS - ago_ms)


@pytest.mark.parametrize(
    ("margin", "rows", "later_than", "stale"),
    [
        ("1500", (before_it("300", 20_000),), None, True),  # from between the row and our step, or after both
        ("1800", (before_it("300", 20_000),), None, False),
        ("1200", (before_it("-300", 20_000),), None, True),  # from before our step, or after both
        ("1500", (before_it("75", 20_000),), None, False),  # from between it would be 1275
        ("1500", (before_it("-75", 100),), None, False),
        ("1400", (before_it("-100", 20_000),), None, False),  # the margin before our step lacked it
        ("1400", (before_it("150", 20_000),), None, True),  # less than a quarter from 1500, nearer to 1350
        ("1500", (before_it("400", 20_000), before_it("-100", 3_000)), None, True),
        ("1500", (before_it("300", 20_000, side=None),), None, True),
        ("1500", (before_it("300", 70_000),), None, False),
        ("1500", (before_it("300", 20_000, side="short"),), None, False),
        ("1500", (before_it("300", 20_000),), SIGNED_MS - 10_000, False),
        ("1500", (before_it("300", 20_000),), SIGNED_MS - 30_000, True),
        ("1500", (row(),), None, False),
    ],
)
def test_a_row_that_our_step_may_not_have_been_computed_from_leaves_no_reading_that_may_be_older(
    *, margin: str, rows: tuple[LedgerRow, ...], later_than: int | None, stale: bool
) -> None:
    last = effect()
    since = unsure_since(last.signed_ms, later_than, behind_ms=50_000)
    assert stale_basis(position(PLACE, margin), last, rows, unsure_since_ms=since) is stale


def test_long_after_our_step_a_row_from_before_it_may_explain_the_margin_from_before() -> None:
    taken, last = before_it("-300", 2_000), effect()
    since = unsure_since(last.signed_ms, None, behind_ms=50_000)
    assert not stale_basis(position(PLACE, "1200"), last, (taken,), unsure_since_ms=since, long_after=True)
    assert stale_basis(position(PLACE, "1200"), last, (), unsure_since_ms=since, long_after=True)


@pytest.mark.parametrize(("seen_ago_ms", "stale"), [(20_000, False), (20_001, True), (None, True)])
def test_a_call_before_our_step_that_its_look_had_seen_is_sure(*, seen_ago_ms: int | None, stale: bool) -> None:
    last = replace(effect(), calls_seen_ms=None if seen_ago_ms is None else SIGNED_MS - seen_ago_ms)
    rows = (before_it("300", 20_000), row())

    assert stale_basis(position(PLACE, "1500"), last, rows, unsure_since_ms=SIGNED_MS - 55_000) is stale


@pytest.mark.parametrize(("size", "stale"), [("1", False), ("2", True)])
@pytest.mark.parametrize("ago_ms", [20_000, 300])
def test_a_fill_before_our_step_is_in_a_reading_of_the_same_size(size: str, ago_ms: int, *, stale: bool) -> None:
    last, fill = effect(), row("300", "f1", cause=Cause.FILL, time_ms=SIGNED_MS - ago_ms)
    shown = position(PLACE, "1500", size=size)

    assert stale_basis(shown, last, (fill, row()), unsure_since_ms=SIGNED_MS - 55_000) is stale


@given(before=AMOUNTS, amount=AMOUNTS, adding=st.booleans())
def test_the_margin_from_before_is_never_a_basis_and_the_margin_after_always_is(
    *, before: Decimal, amount: Decimal, adding: bool
) -> None:
    after = before + amount if adding else before
    start = before if adding else before + amount
    assert stale_basis(position(PLACE, str(start)), effect(str(start), str(after)), ())
    assert not stale_basis(position(PLACE, str(after)), effect(str(start), str(after)), ())


@pytest.mark.parametrize(
    ("margin", "stale"),
    [("1080", False), ("1075", False), ("1000", True), ("1010", True), ("1400", True)],
    ids=["newest", "newest less funding", "before both", "nearer to before both", "between them"],
)
def test_a_reading_that_an_older_margin_fits_better_is_from_then(margin: str, *, stale: bool) -> None:
    last = effect("1400", "1080")
    older = (D(1000), D(1400))
    assert stale_basis(position(PLACE, margin), last, (), older=older) is stale


@pytest.mark.parametrize(("side", "stale"), [(None, True), ("long", False)])
def test_a_call_without_a_side_that_the_journal_does_not_know_puts_every_look_in_doubt(
    side: str | None,
    stale: bool,  # noqa: FBT001
) -> None:
    call = row("-1", "x", side=side, time_ms=SIGNED_MS + 300)
    found = stale_basis(position(PLACE, "1499"), effect(), [call], shared=True, unknown=[call])
    assert found is stale
