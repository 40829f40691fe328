"""Markdown that fits a comment and stays what it is, whatever it quotes."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.model.plan import Entry, OutcomeKind, PlanError, Status
from reconcile.render.common.markdown import quote
from reconcile.render.common.page import LIMIT
from reconcile.render.plan.markdown import plan_markdown
from reconcile.render.result.markdown import result_markdown
from tests.kit.documents_sample import account, account_result, entry, move, plan, position, result, step_result, target

TAGS = re.compile(r"</?([a-z]+)")


@given(st.text())
def test_a_quotation_holds_nothing_with_a_meaning(words: str) -> None:
    shown = re.sub(r"&#\d+;", "", quote(words))
    assert not re.search(r"[<>|`*_~\[\]\\@$^]|\n|https?://|(?i:www\.\w)", shown)
    assert "&" not in shown


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("@desk look", "&#64;\u200bdesk look"),
        ("fixes #12", "fixes &#35;\u200b12"),
        ("<img src=x>", "&#60;img src=x&#62;"),
        ("a | b", "a &#124; b"),
        ("see https://evil.example", "see https:\u200b//evil.example"),
        ("WWW.evil.example", "WWW.\u200bevil.example"),
        ("-100.25", "-100.25"),
    ],
)
def test_mentions_references_tags_links_and_cells_are_only_text(words: str, shown: str) -> None:
    assert quote(words) == shown


@given(st.text(min_size=1))
def test_a_row_keeps_its_cells_whatever_it_quotes(words: str) -> None:
    item = entry("X.long", Status.BLOCKED, declared=target("X.long", "5"), blocked_by=words, reason=words)
    rows = [line for line in plan_markdown(plan(account([item]))).splitlines() if line.startswith("| ⛔")]
    assert len(rows) == 1
    assert rows[0].count("|") == 8


def test_a_plan_with_too_many_entries_is_cut_after_a_row_and_says_so() -> None:
    made = plan(
        account(
            [
                entry(
                    f"SYMBOL{number}USDT.long",
                    Status.BLOCKED if number % 2 else Status.IN_SYNC,
                    declared=target("X.long", "5"),
                    live=position("X.long", "4"),
                    reason="a reason of some length, as reasons are",
                    blocked_by="max_add",
                )
                for number in range(3000)
            ]
        )
    )
    shown = plan_markdown(made)
    assert len(shown) <= LIMIT
    assert len(shown) > LIMIT * 9 // 10
    assert re.search(r"\*\*Cut: [0-9]+ more lines do not fit", shown)
    assert "digest <code>sha256:" in shown
    assert shown.count("<details>") == shown.count("</details>")


def test_a_cut_inside_the_collapsed_part_closes_it() -> None:
    quiet = [entry(f"SYMBOL{number}USDT.long", Status.IN_SYNC, live=position("X.long", "4")) for number in range(3000)]
    shown = plan_markdown(plan(account(quiet)))
    assert len(shown) <= LIMIT
    assert shown.count("<details>") == shown.count("</details>") == 1


def test_a_result_with_too_many_steps_fits_too_and_keeps_its_verdict() -> None:
    steps = [
        step_result(f"s{number}", f"SYMBOL{number}.long", OutcomeKind.APPLIED, evidence="e" * 50)
        for number in range(3000)
    ]
    shown = result_markdown(result(account_result(steps, exit_code=0), exit_code=0))
    assert len(shown) <= LIMIT
    assert "DONE: 3000 steps applied and verified" in shown


@given(st.text(min_size=1))
def test_only_our_own_tags_are_in_a_comment(words: str) -> None:
    item = entry("X.long", Status.UNMANAGED, reason=words, asset=words)
    assert set(TAGS.findall(plan_markdown(plan(account([item]))))) <= {"code", "sub", "details", "summary"}


def many(name: str, count: int, status: Status = Status.WAITING, *, blocked_by: str | None = None) -> list[Entry]:
    """So many entries of one kind."""
    return [
        entry(f"{name}{n}USDT.long", status, declared=target("X.long", "5"), blocked_by=blocked_by, reason="a" * 60)
        for n in range(count)
    ]


def test_a_long_comment_has_every_heading_error_and_entry_that_needs_a_person() -> None:
    accounts = []
    for number in range(40):
        name = f"desk-{number}"
        held = entry("HELD.long", Status.HELD, declared=target("X.long", "5"), reason=f"held on {name}")
        less = entry(
            "LESS.long",
            Status.CHANGE,
            declared=target("LESS.long", "5"),
            live=position("LESS.long", "9"),
            steps=[move(f"s{number}", "LESS.long", "9", "5")],
            reason=f"reduced on {name}",
        )
        stop = many("STOP", 1, Status.BLOCKED, blocked_by=f"blocked on {name}")
        error = PlanError(key="exchange", message=f"could not be read: {name}")
        accounts.append(account([*many("WAIT", 100), held, less, *stop], name=name, errors=[error], exit_code=1))
    shown = plan_markdown(plan(*accounts))
    assert len(shown) <= LIMIT
    for number in range(40):
        name = f"desk-{number}"
        for words in (f"{name}:", f"could not be read: {name}", f"held on {name}", f"reduced on {name}"):
            assert words in shown
        assert f"blocked on {name}" in shown
    missing = [int(count) for count in re.findall(r"_(\d+) more rows? (?:is|are) not shown here", shown)]
    assert len(missing) == 40
    assert max(missing) - min(missing) < 20
    assert re.search(rf"\*\*Cut: {sum(missing)} more lines", shown)


def test_a_large_account_leaves_a_small_one_its_share() -> None:
    shown = plan_markdown(plan(account(many("BIG", 3000), name="big"), account(many("SMALL", 30), name="small")))
    assert len(shown) <= LIMIT
    assert len(shown) > LIMIT * 9 // 10
    assert shown.count("SMALL") >= 4


def test_when_even_what_needs_a_person_is_too_much_each_account_has_its_share_and_a_count() -> None:
    blocked = [many("STOP", 1000, Status.BLOCKED, blocked_by="max_add") for _ in range(3)]
    shown = plan_markdown(plan(*(account(each, name=f"desk-{n}") for n, each in enumerate(blocked))))
    kept = [part.count("⛔") for part in shown.split("**desk-")[1:]]
    assert len(shown) <= LIMIT
    assert min(kept) > 80
    assert max(kept) - min(kept) < 10
    assert len(re.findall(r"more rows are not shown here", shown)) == 3


def test_a_result_that_is_cut_keeps_every_outcome_that_needs_a_person_and_the_heads() -> None:
    steps = [
        step_result(f"s{n}", f"SYMBOL{n}.long", OutcomeKind.REFUSED if n % 500 == 499 else OutcomeKind.APPLIED)
        for n in range(3000)
    ]
    shown = result_markdown(result(account_result(steps, exit_code=3), exit_code=3))
    assert len(shown) <= LIMIT
    assert shown.count("**refused**") == 6
    assert "journal head <code>" + "f" * 64 in shown
