"""Markdown that fits a comment and stays what it is, whatever it quotes."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.model.plan import OutcomeKind, Status
from reconcile.render import markdown
from tests.kit.documents_sample import account, account_result, entry, plan, position, result, step_result, target

TAGS = re.compile(r"</?([a-z]+)")


@given(st.text())
def test_a_quotation_holds_nothing_with_a_meaning(words: str) -> None:
    shown = re.sub(r"&#\d+;", "", markdown.quote(words))
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
    assert markdown.quote(words) == shown


@given(st.text(min_size=1))
def test_a_row_keeps_its_cells_whatever_it_quotes(words: str) -> None:
    item = entry("X.long", Status.BLOCKED, declared=target("X.long", "5"), blocked_by=words, reason=words)
    rows = [line for line in markdown.plan(plan(account([item]))).splitlines() if line.startswith("| ⛔")]
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
    shown = markdown.plan(made)
    assert len(shown) <= markdown.LIMIT
    assert len(shown) > markdown.LIMIT * 9 // 10
    assert re.search(r"\*\*Cut here: [0-9]+ more lines do not fit", shown)
    assert "digest <code>sha256:" in shown
    assert shown.count("<details>") == shown.count("</details>")


def test_a_cut_inside_the_collapsed_part_closes_it() -> None:
    quiet = [entry(f"SYMBOL{number}USDT.long", Status.IN_SYNC, live=position("X.long", "4")) for number in range(3000)]
    shown = markdown.plan(plan(account(quiet)))
    assert len(shown) <= markdown.LIMIT
    assert shown.count("<details>") == shown.count("</details>") == 1


def test_a_result_with_too_many_steps_fits_too_and_keeps_its_verdict() -> None:
    steps = [
        step_result(f"s{number}", f"SYMBOL{number}.long", OutcomeKind.APPLIED, evidence="e" * 50)
        for number in range(3000)
    ]
    shown = markdown.result(result(account_result(steps, exit_code=0), exit_code=0))
    assert len(shown) <= markdown.LIMIT
    assert "DONE: 3000 steps applied and verified" in shown


@given(st.text(min_size=1))
def test_only_our_own_tags_are_in_a_comment(words: str) -> None:
    item = entry("X.long", Status.UNMANAGED, reason=words, asset=words)
    assert set(TAGS.findall(markdown.plan(plan(account([item]))))) <= {"code", "sub", "details", "summary"}
