"""What a journal adds up to, case by case."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest

from reconcile.journal import run_end
from reconcile.journal.margins import MOST_SENT
from reconcile.journal.records import (
    Effect,
    IntentStatus,
    NoteRecord,
    PlanUsed,
    Record,
    Resolved,
    RunFinished,
    RunStarted,
)
from reconcile.journal.state import JournalState
from tests.kit.journals import intent, outcome

LANE = "SYM1.long"
DAY_MS = 86_400_000


def folded(records: Sequence[Record]) -> JournalState:
    """The state after the records, the n-th written at second n."""
    state = JournalState()
    for number, record in enumerate(records):
        state.add(record, at=f"second {number}")
    return state


def resolved(*, applied: bool, effect_ms: int = 20_000) -> Resolved:
    return Resolved(intent_id="intent-1", applied=applied, reason="looked", actor="ana", effect_ms=effect_ms)


FIRST = intent(1)
TYPE_CHANGE = replace(FIRST, action="set_margin_type", amount=None, asset=None, before="crossed", wanted="isolated")

SETTLING: dict[str, tuple[list[Record], IntentStatus | None, bool]] = {
    # name: (records, what the unsettled intent is known as, whether it is unsettled)
    "no outcome": ([FIRST], None, True),
    "accepted": ([FIRST, outcome(1, IntentStatus.ACCEPTED, effect_ms=2_000)], IntentStatus.ACCEPTED, True),
    "unknown": ([FIRST, outcome(1, IntentStatus.UNKNOWN)], IntentStatus.UNKNOWN, True),
    "applied": ([FIRST, outcome(1, IntentStatus.APPLIED, effect_ms=2_000)], None, False),
    "refused": ([FIRST, outcome(1, IntentStatus.REFUSED)], None, False),
    "not sent": ([FIRST, outcome(1, IntentStatus.NOT_SENT)], None, False),
    "not applied": ([FIRST, outcome(1, IntentStatus.NOT_APPLIED)], None, False),
    "released": ([FIRST, outcome(1, IntentStatus.UNKNOWN), outcome(1, IntentStatus.RELEASED)], None, False),
    "accepted, then applied": (
        [FIRST, outcome(1, IntentStatus.ACCEPTED, effect_ms=2_000), outcome(1, IntentStatus.APPLIED, effect_ms=2_000)],
        None,
        False,
    ),
    "accepted, then unknown": (
        [FIRST, outcome(1, IntentStatus.ACCEPTED, effect_ms=2_000), outcome(1, IntentStatus.UNKNOWN, effect_ms=9_000)],
        IntentStatus.UNKNOWN,
        True,
    ),
    "resolved as applied": ([FIRST, outcome(1, IntentStatus.UNKNOWN), resolved(applied=True)], None, False),
    "resolved as not applied": ([FIRST, resolved(applied=False)], None, False),
    "outcome of another intent": ([FIRST, outcome(2, IntentStatus.APPLIED, effect_ms=2_000)], None, True),
    "resolve of another intent": ([FIRST, replace(resolved(applied=True), intent_id="intent-2")], None, True),
    "a later intent of the lane": (
        [FIRST, outcome(1, IntentStatus.NOT_APPLIED), replace(intent(2), lane=LANE)],
        None,
        True,
    ),
    "an intent in the place of one that was left open": ([FIRST, replace(intent(2), lane=LANE)], None, True),
}


@pytest.mark.parametrize(("records", "known", "open_"), SETTLING.values(), ids=SETTLING)
def test_an_intent_is_unsettled_until_its_fate_is_known(
    records: list[Record],
    known: IntentStatus | None,
    open_: bool,  # noqa: FBT001
) -> None:
    found = folded(records).unsettled.get(LANE)

    assert (found is not None) is open_
    assert (found.known if found else None) is known


def test_an_unsettled_intent_keeps_when_it_was_written_and_the_latest_evidence() -> None:
    state = folded(
        [NoteRecord(what="x"), FIRST, outcome(1, IntentStatus.UNKNOWN, effect_ms=9_000, evidence="two rows")]
    )

    found = state.find("intent-1")

    assert found is not None
    assert (found.since, found.evidence, found.effect_ms, found.intent) == ("second 1", "two rows", 9_000, FIRST)


def test_a_settled_intent_is_not_found() -> None:
    assert folded([FIRST, outcome(1, IntentStatus.REFUSED)]).find("intent-1") is None


def test_an_intent_that_was_overtaken_is_not_found() -> None:
    assert folded([FIRST, replace(intent(2), lane=LANE)]).find("intent-1") is None


EFFECTS: dict[str, tuple[list[Record], tuple[int, str | None] | None]] = {
    # name: (records, (effect time, margin after) of the lane)
    "no outcome": ([FIRST], None),
    "refused": ([FIRST, outcome(1, IntentStatus.REFUSED)], None),
    "not applied": ([FIRST, outcome(1, IntentStatus.NOT_APPLIED)], None),
    "accepted": ([FIRST, outcome(1, IntentStatus.ACCEPTED, effect_ms=2_000)], (2_000, "1500.5")),
    "applied, and seen with others' moves": (
        [FIRST, outcome(1, IntentStatus.APPLIED, effect_ms=2_000, after="1500")],
        (2_000, "1500.5"),
    ),
    "unknown after the fence": ([FIRST, outcome(1, IntentStatus.UNKNOWN, effect_ms=9_000)], (9_000, None)),
    "a type change": ([TYPE_CHANGE, outcome(1, IntentStatus.APPLIED, effect_ms=2_000)], (2_000, None)),
    "an effect that is dated before an earlier one": (
        [
            FIRST,
            outcome(1, IntentStatus.APPLIED, effect_ms=9_000),
            replace(intent(2), lane=LANE, address=FIRST.address),
            outcome(2, IntentStatus.APPLIED, effect_ms=2_000, after="1801"),
        ],
        (9_000, "1500.5"),
    ),
    "resolved as applied": ([FIRST, resolved(applied=True)], (20_000, "1500.5")),
    "resolved as not applied": ([FIRST, resolved(applied=False)], (20_000, None)),
    "resolved with a time before the last effect": (
        [FIRST, outcome(1, IntentStatus.UNKNOWN, effect_ms=9_000), resolved(applied=False, effect_ms=8_000)],
        (9_000, None),
    ),
    "resolved before a far fence, its key deleted": (
        [
            FIRST,
            outcome(1, IntentStatus.UNKNOWN, effect_ms=9_000_000),
            replace(resolved(applied=False, effect_ms=8_000), key_deleted=True),
        ],
        (8_000, None),
    ),
}


@pytest.mark.parametrize(("records", "expected"), EFFECTS.values(), ids=EFFECTS)
def test_a_lane_remembers_its_last_effect_at_the_latest_it_can_have_been(
    records: list[Record], expected: tuple[int, str | None] | None
) -> None:
    effect = folded(records).effects.get(LANE)

    assert (effect and (effect.effect_ms, effect.after)) == (
        expected and (expected[0], expected[1] and Decimal(expected[1]))
    )


SECOND = replace(intent(2), lane=LANE, address=FIRST.address, before="1500.5", wanted="1801", signed_at_ms=50_000)
APPLIED_BEFORE: list[Record] = [FIRST, outcome(1, IntentStatus.APPLIED, effect_ms=2_000)]

MOVES: dict[str, tuple[list[Record], tuple[str, str] | None]] = {
    # name: (records, margin before and after the last move that a look must have seen)
    "no outcome": ([FIRST], None),
    "refused": ([FIRST, outcome(1, IntentStatus.REFUSED)], None),
    "applied": (APPLIED_BEFORE, ("1200", "1500.5")),
    "accepted": ([FIRST, outcome(1, IntentStatus.ACCEPTED, effect_ms=2_000)], ("1200", "1500.5")),
    "a type change": ([TYPE_CHANGE, outcome(1, IntentStatus.APPLIED, effect_ms=2_000)], None),
    "a type change after a move": (
        [
            *APPLIED_BEFORE,
            replace(TYPE_CHANGE, intent_id="intent-2"),
            outcome(2, IntentStatus.APPLIED, effect_ms=60_000),
        ],
        ("1200", "1500.5"),
    ),
    "applied, then a second in doubt": ([*APPLIED_BEFORE, SECOND], ("1200", "1500.5")),
    "applied, then a second": (
        [*APPLIED_BEFORE, SECOND, outcome(2, IntentStatus.APPLIED, effect_ms=60_000)],
        ("1500.5", "1801"),
    ),
    "accepted, then unknown": (
        [FIRST, outcome(1, IntentStatus.ACCEPTED, effect_ms=2_000), outcome(1, IntentStatus.UNKNOWN, effect_ms=9_000)],
        None,
    ),
    "accepted, then not applied": (
        [FIRST, outcome(1, IntentStatus.ACCEPTED, effect_ms=2_000), outcome(1, IntentStatus.NOT_APPLIED)],
        None,
    ),
    "applied, then a second accepted and resolved as not applied": (
        [
            *APPLIED_BEFORE,
            SECOND,
            outcome(2, IntentStatus.ACCEPTED, effect_ms=60_000),
            replace(resolved(applied=False), intent_id="intent-2"),
        ],
        ("1200", "1500.5"),
    ),
    "accepted, unknown, then applied": (
        [
            FIRST,
            outcome(1, IntentStatus.ACCEPTED, effect_ms=2_000),
            outcome(1, IntentStatus.UNKNOWN, effect_ms=9_000),
            outcome(1, IntentStatus.APPLIED, effect_ms=9_000),
        ],
        ("1200", "1500.5"),
    ),
    "accepted twice, then unknown": (
        [
            FIRST,
            outcome(1, IntentStatus.ACCEPTED, effect_ms=2_000),
            outcome(1, IntentStatus.ACCEPTED, effect_ms=2_000, evidence="still"),
            outcome(1, IntentStatus.UNKNOWN, effect_ms=9_000),
        ],
        None,
    ),
}


@pytest.mark.parametrize(("records", "expected"), MOVES.values(), ids=MOVES)
def test_an_address_remembers_the_last_move_that_is_known_to_have_happened(
    records: list[Record], expected: tuple[str, str] | None
) -> None:
    move = folded(records).moves.get("SYM1.long")

    assert (move and (move.before, move.after)) == (expected and tuple(map(Decimal, expected)))


APPLIED: dict[str, tuple[list[Record], tuple[str, str] | None]] = {
    # name: (records, (margin, when) that drift is measured from)
    "no outcome": ([FIRST], None),
    "accepted": ([FIRST, outcome(1, IntentStatus.ACCEPTED, effect_ms=2_000)], None),
    "applied as wanted": (APPLIED_BEFORE, ("1500.5", "second 1")),
    "applied as seen": ([FIRST, outcome(1, IntentStatus.APPLIED, effect_ms=2_000, after="1499")], ("1499", "second 1")),
    "a type change": ([TYPE_CHANGE, outcome(1, IntentStatus.APPLIED, effect_ms=2_000)], None),
    "resolved as applied": ([FIRST, resolved(applied=True)], ("1500.5", "second 1")),
    "a type change resolved as applied": ([TYPE_CHANGE, resolved(applied=True)], None),
    "resolved as not applied": ([FIRST, resolved(applied=False)], None),
}


@pytest.mark.parametrize(("records", "expected"), APPLIED.values(), ids=APPLIED)
def test_drift_is_measured_from_the_last_applied_step(records: list[Record], expected: tuple[str, str] | None) -> None:
    assert folded(records).margins.applied.get("SYM1.long") == expected


def test_an_effect_says_what_a_later_look_must_fit() -> None:
    state = folded([FIRST, outcome(1, IntentStatus.APPLIED, effect_ms=2_000, claim="row 5")])

    assert state.effects[LANE] == Effect(
        address=FIRST.address,
        effect_ms=2_000,
        signed_ms=1_000,
        before=Decimal(1200),
        after=Decimal("1500.5"),
        size=Decimal("0.25"),
        identity=None,
        claim="row 5",
        asset="USDT",
        calls_seen_ms=1_000,
    )


def test_a_claimed_row_stays_claimed_whatever_becomes_of_the_intent() -> None:
    late = outcome(1, IntentStatus.APPLIED, effect_ms=2_000, claim="row 6")

    assert folded([FIRST, outcome(1, IntentStatus.APPLIED, effect_ms=2_000, claim="row 5"), late]).claims == {
        "row 5",
        "row 6",
    }


CLAIMS: list[Record] = [
    outcome(1, IntentStatus.APPLIED, effect_ms=day * DAY_MS, claim=f"day {day}") for day in (0, 40, 119, 158, 159, 160)
]


def test_a_claim_is_forgotten_once_no_intent_can_be_held_against_its_row() -> None:
    assert folded(CLAIMS).claims == {"day 159", "day 160"}


@pytest.mark.parametrize("day", [0, 40, 120, 159, 160])
def test_a_claim_is_kept_while_an_intent_from_before_it_is_open(day: int) -> None:
    still_open = replace(intent(7), signed_at_ms=day * DAY_MS + 5)
    state = folded([still_open, *CLAIMS])
    assert {f"day {each}" for each in (40, 119, 158, 159, 160) if each >= day - 1} <= state.claims


def test_no_claim_is_kept_for_longer_than_any_ledger_reaches_back() -> None:
    assert folded([intent(7), *CLAIMS]).claims == {f"day {each}" for each in (40, 119, 158, 159, 160)}


def test_a_claim_without_a_time_is_never_forgotten() -> None:
    claims: list[Record] = [
        outcome(1, IntentStatus.UNKNOWN, claim="timeless"),
        outcome(2, IntentStatus.APPLIED, effect_ms=DAY_MS, claim="early"),
        outcome(3, IntentStatus.APPLIED, effect_ms=900 * DAY_MS, claim="late"),
    ]

    assert folded(claims).claims == {"timeless", "late"}


def test_used_plans_are_remembered() -> None:
    assert folded([PlanUsed(plan_id="p1", digest="d"), PlanUsed(plan_id="p2", digest="d")]).used_plans == {"p1", "p2"}


def test_the_last_host_is_the_one_of_the_last_run() -> None:
    runs: list[Record] = [
        RunStarted(host="alpha", command="apply"),
        RunFinished(),
        RunStarted(host="beta", command="settle"),
    ]

    assert folded(runs).last_host == "beta"


def test_a_new_state_knows_no_host_and_no_record() -> None:
    state = JournalState()

    assert (state.last_host, state.records, state.head) == (None, 0, "0" * 64)


def finished(**details: object) -> RunFinished:
    return RunFinished(details=run_end.read({"live": {}, "live_at_ms": 9_000, **details}))


NOTHING: dict[str, object] = {"from": None, "to": None, "asset": "USDT", "causes": []}


def counting(intent_id: str) -> dict[str, object]:
    return {"moved": {"SYM1.long": {**NOTHING, "ours": [{"intent_id": intent_id, "amount": "300.5"}]}}}


CLAIMED = outcome(1, IntentStatus.APPLIED, effect_ms=2_000, claim="77")
SENT: dict[str, tuple[list[Record], list[tuple[IntentStatus | None, str | None, bool]]]] = {
    # name: (records, the steps that the last look does not account for: known, claimed row, whether it is sure)
    "in flight": ([FIRST], [(None, None, True)]),
    "applied": ([FIRST, CLAIMED], [(IntentStatus.APPLIED, "77", True)]),
    "refused": ([FIRST, outcome(1, IntentStatus.REFUSED)], []),
    "not sent": ([FIRST, outcome(1, IntentStatus.NOT_SENT)], []),
    "not applied": ([FIRST, outcome(1, IntentStatus.NOT_APPLIED)], []),
    "a change of the type": ([TYPE_CHANGE], []),
    "resolved as applied": ([FIRST, resolved(applied=True)], [(IntentStatus.APPLIED, None, False)]),
    "resolved as not applied": ([FIRST, resolved(applied=False)], []),
    "applied before a look": ([FIRST, CLAIMED, finished()], []),
    "open at a look": ([FIRST, finished()], [(None, None, False)]),
    "open at a look that counted it": ([FIRST, finished(**counting("intent-1"))], []),
    "open at a look, and applied later": ([FIRST, finished(), CLAIMED], [(IntentStatus.APPLIED, "77", False)]),
    "a run that ended without a look": (
        [FIRST, CLAIMED, finished(live_at_ms=None)],
        [(IntentStatus.APPLIED, "77", True)],
    ),
    "an outcome of nothing": ([CLAIMED], []),
}


@pytest.mark.parametrize("name", SENT)
def test_the_steps_that_no_look_accounts_for_are_known(name: str) -> None:
    records, left = SENT[name]

    sent = folded(records).margins.sent.get("SYM1.long", {}).values()

    assert [(each.known, each.claim, each.is_sure) for each in sent] == left


def test_only_the_last_steps_of_an_address_are_remembered() -> None:
    many = [
        record
        for number in range(MOST_SENT + 5)
        for record in (replace(intent(number), address=FIRST.address, lane=LANE), outcome(number, IntentStatus.APPLIED))
    ]

    assert list(folded(many).margins.sent["SYM1.long"]) == [f"intent-{number}" for number in range(5, MOST_SENT + 5)]
