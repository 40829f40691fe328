"""The table of what may be late together: the page prints what the judge computes with."""

from pathlib import Path

import pytest

from tests.simulation.assumptions import LATE, TOGETHER, Knows, allowed, page_lines

PAGE = Path(__file__).parents[1] / "docs" / "exactly-once.md"


def test_the_page_prints_the_table_that_the_judge_computes_with() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert "\n".join(("", *page_lines(), "")) in text
    rests = text.partition("## What it rests on")[2].partition("\n## ")[0]
    assert sum(line.startswith("| ") and "grace" in line for line in rests.splitlines()) == len(TOGETHER)


@pytest.mark.parametrize("journal", list(Knows))
def test_one_witness_may_be_late_and_not_both(journal: Knows) -> None:
    late, grace = LATE * 5_000, 5_000
    assert allowed(journal, positions_ms=late, ledger_ms=grace, grace_ms=5_000)
    assert allowed(journal, positions_ms=grace, ledger_ms=late, grace_ms=5_000)
    assert allowed(journal, positions_ms=grace + 1, ledger_ms=grace + 1, grace_ms=5_000) is None
    assert allowed(journal, positions_ms=late + 1, ledger_ms=0, grace_ms=5_000) is None
