"""Records as lines."""

import json
import tracemalloc
from dataclasses import MISSING, fields
from decimal import Decimal
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.journal.codec import (
    FORMAT,
    GENESIS,
    MAX_LINE,
    MAX_MARKS,
    Header,
    UnknownRecord,
    decode,
    encode,
    is_sealed,
    parse_line,
    rfc3339,
    seal,
)
from reconcile.journal.records import (
    Checkpoint,
    Intent,
    IntentStatus,
    NoteRecord,
    Outcome,
    PlanUsed,
    Record,
    Relocation,
    Repaired,
    Resolved,
    RunFinished,
    RunStarted,
)
from reconcile.journal.run_end import RunEnd
from reconcile.model.account import PositionMode
from reconcile.model.measures import Measure, MeasureBounds, Thresholds
from reconcile.model.notes import (
    AnswerNote,
    BrakeNote,
    Freeze,
    NoteBody,
    NotedEntry,
    NotedStep,
    PlanNote,
    RefusalNote,
    WatchDecision,
    WatchNote,
)
from reconcile.model.reports import Margin, MovementSummary
from reconcile.model.run_start import RunStart
from tests.kit.journals import intent

SEEN = Margin(
    isolated_margin=Decimal("1500.25"),
    asset="USDT",
    size=Decimal("0.5"),
    mark_price=Decimal(30_000),
    liquidation_price=Decimal("27000.5"),
)
TOLD = MovementSummary(
    before=Decimal(1000),
    after=None,
    asset="USDT",
    ours=(("i", Decimal(300)),),
    causes=(("funding", Decimal("-1.5"), 7), ("unexplained", Decimal(3), None)),
)
END = RunEnd(
    exit_code=3,
    errors=("a", "b"),
    error_keys=("policy",),
    outcomes={"s1": "applied"},
    declared={"BTCUSDT.long": Decimal(1500)},
    tolerance={"BTCUSDT.long": Decimal("7.5")},
    bands={
        "BTCUSDT.long": MeasureBounds(
            measure=Measure.LIQUIDATION_DISTANCE,
            bounds=Thresholds(floor=Decimal("0.08"), target=Decimal("0.12"), ceiling=Decimal("0.25")),
        ),
        "ETHUSDT.long": MeasureBounds(
            measure=Measure.MAINTENANCE_COVER, bounds=Thresholds(floor=Decimal(3), target=Decimal(5))
        ),
    },
    out_of_place=frozenset({"ETHUSDT.long"}),
    live={"BTCUSDT.long": SEEN},
    live_at_ms=9_000,
    moved={"BTCUSDT.long": TOLD},
    moved_problem="no ledger",
)
START = RunStart(account="main", reason="review")
BODIES: tuple[NoteBody, ...] = (
    PlanNote(
        plan_id="p",
        digest="sha256:a",
        counts={"change": 1},
        entries=(
            NotedEntry(address="BTCUSDT.long", status="change", reason="declared", steps=(NotedStep(step_id="s"),)),
        ),
        errors=("policy",),
    ),
    AnswerNote(intent_id="i", message="timeout"),
    RefusalNote(start=START, host="h", command="resolve", key="fence", message="too early", exit_code=4, more={"a": 1}),
    WatchNote(start=START, host="h", applies=True, decisions=(WatchDecision(address="", decision="waits"),)),
    BrakeNote(command="freeze", frozen={"*": Freeze(reason="r", actor="a", at="t", identities=("okx-1",))}),
    {"later": 7},
)
EVERY_KIND: tuple[Record | Header, ...] = (
    Header(format=FORMAT, identity="okx-live-7"),
    intent(1),
    Outcome(
        intent_id="i",
        known=IntentStatus.APPLIED,
        effect_ms=5,
        after="6",
        evidence="row",
        claim="9",
        code="0",
        message="好",
    ),
    Outcome(intent_id="i", known=IntentStatus.NOT_SENT, effect_ms=None),
    RunStarted(
        host="alpha",
        command="apply",
        cold_until_ms=9,
        machine="0123456789abcdef",
        details=RunStart(
            actor="ana", position_mode=PositionMode.HEDGE, overrides={"max_add": "7"}, scope=("BTC*",), git_dirty=False
        ),
    ),
    RunFinished(details=END),
    PlanUsed(plan_id="p", digest="sha256:00"),
    Resolved(intent_id="i", applied=False, reason="saw it", actor="ana", effect_ms=8, key_deleted=True),
    Repaired(file="x.torn", size=12, was_changed=True),
    Relocation(to="okx-live-7", with_records=True, account="main", actor="ana", host="alpha", was_changed=True),
    *(NoteRecord(what=getattr(body, "what", "other"), details=body) for body in BODIES),
    Checkpoint(version=1, size=700, state={"records": 3, "names": ["a"]}),
)


def line_of(record: Record | Header, seq: int = 7) -> bytes:
    return encode(record, seq=seq, prev=GENESIS, at=rfc3339(0), run="run-1")


@pytest.mark.parametrize("record", EVERY_KIND, ids=lambda record: record.kind)
def test_a_record_of_every_kind_comes_back_as_it_was(record: Record | Header) -> None:
    assert decode(parse_line(line_of(record))) == record


def test_the_records_above_leave_no_field_of_any_kind_at_its_default() -> None:
    covered = {
        (record.kind, each.name)
        for record in EVERY_KIND
        for each in fields(record)
        if each.default is MISSING or getattr(record, each.name) != each.default
    }

    assert covered == {(kind.kind, each.name) for kind in (*get_args(Record), Header) for each in fields(kind)}


@pytest.mark.parametrize("record", EVERY_KIND, ids=lambda record: record.kind)
def test_a_line_begins_with_its_place_in_the_chain_and_ends_sealed(record: Record | Header) -> None:
    line = line_of(record)

    assert line.startswith(b'{"seq":7,"prev":"' + b"0" * 64 + b'","at":"1970-01-01T00:00:00.000Z","kind":"')
    assert line.endswith(b'"}\n')
    assert line.count(b"\n") == 1
    assert is_sealed(line)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.text(st.characters()),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=8,
    )
)
def test_any_details_come_back_on_one_line(value: Any) -> None:
    line = line_of(NoteRecord(what="any", details={"value": value}))

    assert line.count(b"\n") == 1
    assert decode(parse_line(line)) == NoteRecord(what="any", details={"value": value})


def test_the_same_details_in_another_order_are_the_same_line() -> None:
    assert line_of(NoteRecord(what="x", details={"a": 1, "b": {"d": 2, "c": 3}})) == line_of(
        NoteRecord(what="x", details={"b": {"c": 3, "d": 2}, "a": 1})
    )


def test_half_a_surrogate_pair_in_a_message_can_be_journalled() -> None:
    record = Outcome(intent_id="i", known=IntentStatus.REFUSED, effect_ms=None, message="\ud800")

    assert decode(parse_line(line_of(record))) == record


def test_amounts_are_plain_text_whatever_their_exponent() -> None:
    line = line_of(NoteRecord(what="x", details={"small": Decimal("1E-8"), "large": Decimal("1E+3")}))

    assert json.loads(line)["details"] == {"large": "1000", "small": "0.00000001"}


def test_a_number_without_an_exact_form_is_refused() -> None:
    with pytest.raises(TypeError, match="no exact form"):
        line_of(NoteRecord(what="x", details={"ratio": 0.1}))


def test_a_record_that_is_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="at most"):
        line_of(NoteRecord(what="x" * MAX_LINE))


def test_a_record_with_too_many_values_is_refused() -> None:
    assert len(line_of(NoteRecord(what="," * (MAX_MARKS - 50)))) > MAX_MARKS
    with pytest.raises(ValueError, match="too many values"):
        line_of(NoteRecord(what="," * MAX_MARKS))


@pytest.mark.parametrize("values", ["{},", "[],", "0,", '"ab",', "[0,[]],"])
def test_a_hostile_line_takes_little_memory(values: str) -> None:
    body = ('{"details":[' + values * ((MAX_LINE - 100) // len(values)) + "0]}").encode()
    line = seal(body)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=f"at most {MAX_LINE} bytes and {MAX_MARKS} values"):
            parse_line(line)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20


def test_fields_of_a_newer_version_are_ignored() -> None:
    value = {**parse_line(line_of(intent(1))), "shiny": {"new": 1}}

    assert decode(value) == intent(1)


def test_a_kind_of_a_newer_version_is_read_as_it_stands() -> None:
    line = seal(
        b'{"seq":2,"prev":"x","at":"2026-01-01T00:00:00.000Z","kind":"teleported","run":"r","to":"mars","share":0.5}'
    )

    assert decode(parse_line(line)) == UnknownRecord(name="teleported", fields={"to": "mars", "share": Decimal("0.5")})


NO_TEXT: tuple[Any, ...] = (7, True, 1.5, [], {}, ["x"])
NO_MOMENT: tuple[Any, ...] = ("7", True, 1.5, -1, 10**18, [], {})
NO_AMOUNT: tuple[Any, ...] = (5, 1.5, "", "much", "NaN", "Infinity", "1e999999999", "9" * 60, True, [], {})
NO_OBJECT: tuple[Any, ...] = (7, "x", [], True, 1.5)

BAD_FIELDS: dict[str, dict[str, tuple[Any, ...]]] = {
    "journal": {"format": NO_TEXT, "identity": (None, *NO_TEXT)},
    "intent": {
        **dict.fromkeys(("intent_id", "step_id", "lane", "before", "wanted"), (None, *NO_TEXT)),
        **dict.fromkeys(("asset", "identity", "cursor"), NO_TEXT),
        **dict.fromkeys(("signed_at_ms", "fence_ms"), (None, *NO_MOMENT)),
        "calls_seen_ms": NO_MOMENT,
        "address": (None, "BTCUSDT", "BTCUSDT.up", *NO_TEXT),
        "action": (None, "steal", *NO_TEXT),
        "amount": (None, "0", "-1", *NO_AMOUNT),
        **dict.fromkeys(("size", "free"), NO_AMOUNT),
    },
    "outcome": {
        **dict.fromkeys(("intent_id", "evidence", "message"), (None, *NO_TEXT)),
        **dict.fromkeys(("after", "claim", "code"), NO_TEXT),
        "known": (None, "perhaps", *NO_TEXT),
        "effect_ms": NO_MOMENT,
    },
    "run_started": {
        **dict.fromkeys(("host", "command"), (None, *NO_TEXT)),
        "cold_until_ms": NO_MOMENT,
        "machine": NO_TEXT,
        "details": NO_OBJECT,
    },
    "run_finished": {"details": NO_OBJECT},
    "plan_used": dict.fromkeys(("plan_id", "digest"), (None, *NO_TEXT)),
    "resolved": {
        **dict.fromkeys(("intent_id", "reason", "actor"), (None, *NO_TEXT)),
        "applied": (None, "yes", 1, []),
        "key_deleted": (None, "yes", 1, []),
        "effect_ms": (None, *NO_MOMENT),
    },
    "repaired": {
        "file": (None, *NO_TEXT),
        "size": (None, "7", True, -1, 1.5),
        "was_changed": (None, "yes", 1, []),
    },
    "moved": {
        **dict.fromkeys(("to", "account", "actor", "host"), (None, *NO_TEXT)),
        **dict.fromkeys(("with_records", "was_changed"), (None, "yes", 1, [])),
    },
    "noted": {"what": (None, *NO_TEXT), "details": NO_OBJECT},
    "checkpoint": {"version": (None, "7", True, -1, 1.5), "size": ("7", True, -1, 1.5), "state": NO_OBJECT},
}


def test_the_bad_values_below_leave_out_no_field_of_any_kind() -> None:
    assert {kind: set(bad) for kind, bad in BAD_FIELDS.items()} == {
        kind.kind: {each.name for each in fields(kind)} for kind in (*get_args(Record), Header)
    }


@pytest.mark.parametrize("kind", BAD_FIELDS)
def test_a_field_of_the_wrong_type_is_an_error_that_names_it(kind: str) -> None:
    record = next(each for each in EVERY_KIND if each.kind == kind)
    for name, values in BAD_FIELDS[kind].items():
        for bad in values:
            with pytest.raises(ValueError, match=r"its|has no|known"):
                decode({**parse_line(line_of(record)), name: bad})


@pytest.mark.parametrize("kind", BAD_FIELDS)
def test_a_missing_field_is_an_error_unless_it_has_a_default(kind: str) -> None:
    record = next(each for each in EVERY_KIND if each.kind == kind)
    for each in fields(record):
        value = dict(parse_line(line_of(record)))
        del value[each.name]
        if each.default is MISSING and each.default_factory is MISSING:
            with pytest.raises(ValueError, match=f"has no {each.name}"):
                decode(value)
        else:
            decode(value)


BAD_DETAILS: dict[str, tuple[Record, dict[str, Any]]] = {
    "an account that is no text": (RunStarted(host="h", command="apply"), {"account": 7}),
    "a mode that is none": (RunStarted(host="h", command="apply"), {"position_mode": "up"}),
    "a grace that is no number": (RunStarted(host="h", command="apply"), {"grace_ms": "5"}),
    "a head that is no text": (RunStarted(host="h", command="apply"), {"notes_head": ["x"]}),
    "live as a list": (RunFinished(), {"live": []}),
    "live without a margin": (RunFinished(), {"live": {"BTCUSDT.long": {"asset": "USDT"}}}),
    "live at no address": (RunFinished(), {"live": {"BTCUSDT": {"isolated_margin": "1", "asset": "USDT"}}}),
    "a live price that is none": (
        RunFinished(),
        {"live": {"BTCUSDT.long": {"isolated_margin": "1", "asset": "USDT", "mark_price": "NaN"}}},
    ),
    "a declared number": (RunFinished(), {"declared": {"BTCUSDT.long": 5}}),
    "a time that is text": (RunFinished(), {"live_at_ms": "7"}),
    "errors that are no list": (RunFinished(), {"errors": "x"}),
    "a movement without causes": (RunFinished(), {"moved": {"BTCUSDT.long": {"from": "1"}}}),
    "an exit code that is text": (RunFinished(), {"exit_code": "0"}),
    "a refusal whose key is a list": (NoteRecord(what="refused"), {"key": []}),
    "a decision that is text": (NoteRecord(what="watch"), {"decisions": ["x"]}),
    "a planned entry without address": (NoteRecord(what="planned"), {"entries": [{}]}),
    "a planned step that is text": (NoteRecord(what="planned"), {"entries": [{"address": "a", "steps": ["s"]}]}),
    "a planned number": (NoteRecord(what="planned"), {"entries": [{"address": "a", "steps": [{"amount": 5}]}]}),
    "an override that is no text": (RunStarted(host="h", command="apply"), {"overrides": {"max_add": 7}}),
    "a hash that is no text": (RunStarted(host="h", command="apply"), {"includes": {"shared.toml": None}}),
}


@pytest.mark.parametrize("case", BAD_DETAILS)
def test_details_that_something_reads_have_their_types(case: str) -> None:
    record, details = BAD_DETAILS[case]
    with pytest.raises(ValueError, match="details"):
        decode({**parse_line(line_of(record)), "details": details})


def test_a_planned_change_of_a_setting_is_stored_with_from_and_to() -> None:
    step = NotedStep(step_id="s", action="set_margin_type", from_="crossed", to="isolated")
    note = PlanNote(entries=(NotedEntry(address="BTCUSDT.long", steps=(step,)),))
    stored_note = parse_line(line_of(NoteRecord(what=note.what, details=note)))["details"]

    assert stored_note["entries"][0]["steps"] == [
        {"action": "set_margin_type", "from": "crossed", "step_id": "s", "to": "isolated"}
    ]


def test_limits_of_another_version_are_read_as_they_stand() -> None:
    policy = {"max_add": ["per", "hour"], "shiny": None}
    start = {**parse_line(line_of(RunStarted(host="h", command="apply"))), "details": {"policy": policy}}

    assert decode(start) == RunStarted(host="h", command="apply", details=RunStart(policy=policy))


@pytest.mark.parametrize(
    "change", [{"at": "now"}, {"at": 7}, {"at": "2026-99-01T00:00:00.000Z"}, {"run": 7}, {"kind": []}]
)
def test_a_record_without_time_run_and_kind_is_an_error(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="kind, run and time"):
        decode({**parse_line(line_of(intent(1))), **change})


@pytest.mark.parametrize(
    "change",
    [
        {"action": "set_margin_type"},
        {"action": "set_auto_add"},
        {"amount": None},
        {"asset": None},
        {"before": "crossed"},
        {"wanted": "x"},
    ],
)
def test_an_intent_whose_fields_do_not_go_together_is_an_error(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"amount|asset|decimal"):
        decode({**parse_line(line_of(intent(1))), **change})


@pytest.mark.parametrize(
    "line",
    [
        b"[]\n",
        b'{"a":NaN}\n',
        b'{"a":1e9999999999}\n',
        b"[" * 9_999 + b"\n",
        b"nonsense\n",
        b"\xff\n",
        b"\n",
        b"{}",
        b"{} {}\n",
    ],
)
def test_what_is_not_a_json_object_is_no_line(line: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_line(line)


VERSIONS = {"reconcile.journal/1": 1, "reconcile.journal/2": 2, "reconcile.journal/x": 2, "other/1": 2, "": 2}


@pytest.mark.parametrize(("text", "version"), VERSIONS.items())
def test_a_format_that_is_not_ours_counts_as_newer(text: str, version: int) -> None:
    assert Header(format=text, identity="x").version == version


TIMES = {0: "1970-01-01T00:00:00.000Z", 1_700_000_000_123: "2023-11-14T22:13:20.123Z"}


@pytest.mark.parametrize(("wall_ms", "text"), TIMES.items())
def test_times_are_written_in_utc_with_milliseconds(wall_ms: int, text: str) -> None:
    assert rfc3339(wall_ms) == text


def test_an_intents_fields_stand_in_the_line_under_their_own_names() -> None:
    value = parse_line(line_of(intent(1)))

    assert {name: value[name] for name in ("address", "amount", "size", "cursor")} == {
        "address": "SYM1.long",
        "amount": "300.5",
        "size": "0.25",
        "cursor": None,
    }
    assert isinstance(decode(value), Intent)
