"""The chain: whatever is done to a journal is found, and where."""

import tracemalloc
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from reconcile.errors import ChainBroken, JournalError
from reconcile.journal.chain import ChainHead, entries, line_hash, verified
from reconcile.journal.codec import GENESIS, Header, encode, parse_line, rfc3339, seal
from reconcile.journal.folding import fold
from reconcile.journal.records import NoteRecord, Record
from tests.kit.journals import ACCOUNT, START_MS, chained, intent, steps

RECORDS = 9
ORIGINAL = chained(steps(RECORDS))
WHOLE = b"".join(ORIGINAL)
LAST = len(ORIGINAL)


def bad_line(lines: Sequence[bytes], *, pinned: str | None = None) -> int | None:
    """The line that is named as the first bad one; None when the journal is good."""
    try:
        fold(lines, identity=ACCOUNT, name="journal", pinned=pinned)
    except ChainBroken as error:
        return error.line
    return None


def first_difference(lines: Sequence[bytes]) -> int:
    same = 0
    while same < min(len(lines), LAST) and lines[same] == ORIGINAL[same]:
        same += 1
    return same + 1


def as_lines(content: bytes) -> list[bytes]:
    """The whole lines of a file, as a reader takes them."""
    return [line + b"\n" for line in content.split(b"\n")[:-1]]


def record_line(number: int, prev: str, what: str) -> bytes:
    return encode(NoteRecord(what=what), seq=number, prev=prev, at=rfc3339(START_MS), run="forger")


def test_an_untouched_journal_is_good() -> None:
    assert bad_line(ORIGINAL) is None


@given(place=st.integers(0, len(WHOLE) - 2), value=st.integers(0, 255))
def test_any_changed_byte_is_found_in_its_line(place: int, value: int) -> None:
    assume(WHOLE[place] != value)
    changed = as_lines(WHOLE[:place] + bytes([value]) + WHOLE[place + 1 :])

    assert bad_line(changed) == first_difference(changed)


@given(place=st.integers(0, len(WHOLE) - 1), extra=st.binary(min_size=1, max_size=30))
def test_any_inserted_bytes_are_found_in_their_line(place: int, extra: bytes) -> None:
    changed = as_lines(WHOLE[:place] + extra + WHOLE[place:])
    assume(changed != ORIGINAL)

    assert bad_line(changed) == first_difference(changed)


@given(start=st.integers(0, len(WHOLE) - 2), size=st.integers(1, 2_000))
def test_any_bytes_cut_out_of_the_middle_are_found_in_their_line(start: int, size: int) -> None:
    changed = as_lines(WHOLE[:start] + WHOLE[min(start + size, len(WHOLE) - 1) :])
    assume(changed != ORIGINAL[: len(changed)])  # lines end alike: then it is the end that was cut off

    assert bad_line(changed) == first_difference(changed)


@given(start=st.integers(0, LAST - 2), count=st.integers(1, 4))
def test_any_dropped_lines_are_found_where_they_were(start: int, count: int) -> None:
    end = min(start + count, LAST - 1)

    assert bad_line(ORIGINAL[:start] + ORIGINAL[end:]) == start + 1


@given(order=st.permutations(ORIGINAL))
def test_any_other_order_is_found_at_its_first_line(order: list[bytes]) -> None:
    assume(order != ORIGINAL)

    assert bad_line(order) == first_difference(order)


@given(place=st.integers(0, LAST), copied=st.integers(0, LAST - 1))
def test_any_repeated_line_is_found_where_it_was_put(place: int, copied: int) -> None:
    changed = [*ORIGINAL[:place], ORIGINAL[copied], *ORIGINAL[place:]]

    assert bad_line(changed) == first_difference(changed)


@given(place=st.integers(1, LAST - 1))
def test_a_forged_line_that_fits_the_one_before_it_is_found(place: int) -> None:
    forged = record_line(place + 1, line_hash(ORIGINAL[place - 1]), "forged")

    assert bad_line([*ORIGINAL[:place], forged, *ORIGINAL[place:]]) == place + 1


@given(place=st.integers(1, LAST - 2))
def test_a_forged_line_in_the_place_of_another_is_found(place: int) -> None:
    forged = record_line(place + 1, line_hash(ORIGINAL[place - 1]), "forged")

    assert bad_line([*ORIGINAL[:place], forged, *ORIGINAL[place + 1 :]]) == place + 1


@given(place=st.integers(1, LAST - 3))
def test_a_dropped_line_is_found_though_all_later_ones_were_renumbered_and_sealed_again(place: int) -> None:
    renumbered = [
        seal(line[: line.rindex(b',"crc"')].replace(b'{"seq":%d,' % seq, b'{"seq":%d,' % (seq - 1)) + b"}")
        for seq, line in enumerate(ORIGINAL[place + 1 :], start=place + 2)
    ]

    assert bad_line(ORIGINAL[:place] + renumbered) == place + 1


@given(end=st.integers(0, LAST - 1))
def test_a_cut_end_is_found_against_a_pinned_head_only(end: int) -> None:
    assert bad_line(ORIGINAL[:end]) is None
    assert bad_line(ORIGINAL[:end], pinned=line_hash(ORIGINAL[-1])) == end + 1


def test_an_end_that_was_written_anew_is_found_against_a_pinned_head_only() -> None:
    anew = chained([*steps(RECORDS - 2), NoteRecord(what="nothing happened"), NoteRecord(what="nothing at all")])

    assert bad_line(anew) is None
    assert bad_line(anew, pinned=line_hash(ORIGINAL[-1])) == LAST + 1


@pytest.mark.parametrize("line", range(LAST + 1))
def test_a_journal_that_grew_since_its_head_was_pinned_is_good(line: int) -> None:
    pinned = line_hash(ORIGINAL[line - 1]) if line else GENESIS

    assert bad_line(ORIGINAL, pinned=pinned) is None


def test_a_line_that_is_not_in_our_form_is_bad_though_it_says_the_right_things() -> None:
    loose = seal(ORIGINAL[3][: ORIGINAL[3].rindex(b',"crc"')].replace(b'":', b'": ') + b"}")

    assert bad_line([*ORIGINAL[:3], loose, *ORIGINAL[4:]]) == 4


def test_a_journal_without_a_header_is_bad_at_its_first_line() -> None:
    assert bad_line([record_line(1, GENESIS, "no header")]) == 1


def test_a_sealed_line_that_is_not_json_is_bad() -> None:
    torn = seal(b'{"seq":2,"prev":"' + line_hash(ORIGINAL[0]).encode() + b'","at":oops}')

    assert bad_line([ORIGINAL[0], torn]) == 2


def test_a_record_that_lacks_a_field_is_bad() -> None:
    body = (
        b'{"seq":2,"prev":"%s","at":"2026-01-01T00:00:00.000Z","kind":"intent","run":"r"}'
        % line_hash(ORIGINAL[0]).encode()
    )

    assert bad_line([ORIGINAL[0], seal(body)]) == 2


def test_the_message_names_file_line_and_what_is_wrong() -> None:
    with pytest.raises(ChainBroken, match=r"^reading journal: line 3: it was changed; nothing is sent"):
        fold([*ORIGINAL[:2], b"{}\n", *ORIGINAL[3:]], identity=ACCOUNT, name="journal")


def test_another_accounts_journal_is_refused() -> None:
    with pytest.raises(JournalError, match=r"the journal of okx-live-1"):
        fold(chained(steps(2), account="okx-live-1"), identity=ACCOUNT, name="journal")


NEWER = [encode(Header(format="reconcile.journal/2", identity=ACCOUNT), seq=1, prev=GENESIS, at=rfc3339(0), run="r")]


def test_a_newer_format_can_be_read() -> None:
    assert fold(NEWER, identity=ACCOUNT, name="journal").position.line == 1


def test_a_newer_format_is_not_written_to() -> None:
    with pytest.raises(JournalError, match=r"a newer reconcile wrote it \(reconcile.journal/2\)"):
        fold(NEWER, identity=ACCOUNT, name="journal", writer=True)


def test_an_unknown_kind_in_our_format_is_counted_and_passed_over() -> None:
    head = line_hash(ORIGINAL[0]).encode()
    odd = seal(b'{"seq":2,"prev":"%s","at":"2026-01-01T00:00:00.000Z","kind":"teleported","run":"r"}' % head)

    folded = fold([ORIGINAL[0], odd], identity=ACCOUNT, name="journal", writer=True)
    state, position = folded.state, folded.position

    assert (state.records, state.head, position.line) == (1, line_hash(odd), 2)


def test_entries_are_handed_out_as_stored() -> None:
    assert [each.value for each in entries(ORIGINAL, name="journal")] == [parse_line(line) for line in ORIGINAL]


def test_entries_before_a_break_are_handed_out() -> None:
    seen: list[int] = []

    with pytest.raises(ChainBroken):
        seen.extend(each["seq"] for each in entries([*ORIGINAL[:3], *ORIGINAL[4:]], name="journal"))

    assert seen == [1, 2, 3]


def test_reading_can_go_on_from_a_known_position() -> None:
    position = ChainHead(line=4, head=line_hash(ORIGINAL[3]))

    assert [line for line, _ in verified(ORIGINAL[4:], position, name="journal")] == ORIGINAL[4:]
    assert position == ChainHead(line=LAST, head=line_hash(ORIGINAL[-1]))


def test_a_long_journal_is_folded_in_little_memory() -> None:
    tracemalloc.start()
    try:
        state = fold(long_journal(4_000), identity=ACCOUNT, name="journal").state
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert state.records == 4_000
    assert peak < 1 << 20


def long_journal(count: int) -> Iterator[bytes]:
    """Intents over a few lanes, made one at a time."""
    head = line_hash(ORIGINAL[0])
    yield ORIGINAL[0]
    for number in range(count):
        record: Record = intent(number, lane=f"SYM{number % 20}", signed_at_ms=number * 3_600_000)  # a day holds 24
        line = encode(record, seq=number + 2, prev=head, at=rfc3339(START_MS), run="run-1")
        head = line_hash(line)
        yield line
