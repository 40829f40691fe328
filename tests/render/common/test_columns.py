"""Lines for a terminal: how wide they are, and where they break."""

import re
from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.model.account import Address, Side
from reconcile.model.plan import Status
from reconcile.render.common.columns import aligned, fit, padded, width
from reconcile.render.plan import text
from reconcile.render.plan.text import plan_text
from reconcile.render.result.text import result_text
from tests.kit.documents_sample import TITLES, account, entry, every_result, move, plan, position, target

NUMBER = re.compile(r"[+−-]?[0-9][0-9.]*%?")


@pytest.mark.parametrize(
    ("shown", "columns"),
    [
        ("BTCUSDT.long", 12),
        ("币安人生USDT.long", 17),
        ("→ −5 ✓", 6),
        ("e\u0301", 1),
        ("\x1b[31mred\x1b[0m", 3),
        ("", 0),
    ],
)
def test_a_text_takes_the_columns_that_a_terminal_gives_it(shown: str, columns: int) -> None:
    assert width(shown) == columns
    assert width(padded(shown, 20)) == 20


@given(st.lists(st.one_of(st.decimals(allow_nan=False, allow_infinity=False, places=3), st.sampled_from(["", "币"]))))
def test_aligned_cells_are_equally_wide_and_their_points_stand_under_each_other(cells: list[object]) -> None:
    texts = [format(cell, "f") if isinstance(cell, Decimal) else str(cell) for cell in cells]
    shown = aligned(texts)
    assert [cell.strip() for cell in shown] == texts
    assert len({width(cell) for cell in shown}) <= 1
    assert len({cell.index(".") for cell in shown if "." in cell}) <= 1


@given(st.text(st.sampled_from("ab 1.%→-币"), max_size=200), st.integers(40, 120))
def test_fitting_changes_no_word_and_leaves_no_line_too_wide_that_could_break(shown: str, columns: int) -> None:
    lines = fit(shown, columns).split("\n")
    assert " ".join(lines).split() == shown.split()
    wide = [line for line in lines if width(line) > columns]
    assert all(len(re.sub(r"(?<=[0-9]) (?=[a-z])|(?<= [^\w\s]) ", "", line).split()) == 1 for line in wide)


def test_without_a_terminal_no_line_is_broken() -> None:
    assert fit("a " * 500, None) == "a " * 500


@pytest.mark.parametrize("columns", [60, 80, 100, 120])
def test_no_line_of_a_plan_or_result_is_wider_than_the_terminal_and_every_number_is_whole(columns: int) -> None:
    views: list[Callable[[int | None], str]] = [
        lambda at: plan_text(plan(), color=False, titles=TITLES, columns=at),
        lambda at: result_text(every_result(), color=False, titles=TITLES, columns=at),
        lambda at: text.question(plan(), titles=TITLES, columns=at),
    ]
    for show in views:
        shown = show(columns)
        too_wide = [line for line in shown.splitlines() if width(line) > columns]
        assert [line for line in too_wide if len(line.split()) > 1] == []
        assert sorted(NUMBER.findall(shown)) == sorted(NUMBER.findall(show(None)))


def test_a_narrow_plan_has_liquidation_and_reason_on_indented_lines_of_their_own() -> None:
    lines = plan_text(plan(), color=False, columns=80).splitlines()
    at = next(number for number, line in enumerate(lines) if "DOGEUSDT.long" in line)
    assert lines[at].rstrip().endswith("USDT")
    assert lines[at + 1] == "      liq 48012.346 → 47100.1 (4.0% → 5.8% from mark)"
    assert lines[at + 2].startswith("      blocked by max_margin: 90000 USDT would be over")
    assert lines[at + 3].startswith("          ")


def test_east_asian_symbols_stand_in_the_same_columns() -> None:
    names = ["币安人生USDT.long", "BTCUSDT.long"]
    listed = [
        entry(
            name,
            Status.CHANGE,
            declared=target(name, "15"),
            live=position(name, "12"),
            steps=[move("s", name, "12", "15")],
        )
        for name in names
    ]
    lines = [line for line in plan_text(plan(account(listed)), color=False).splitlines() if line.startswith("  + ")]
    assert len({width(line.partition("→")[0]) for line in lines}) == 1
    assert Address("币安人生USDT", Side.LONG) in {each.address for each in listed}


def test_margins_with_sixteen_decimals_go_below_their_address() -> None:
    name = "BTC-USDT-SWAP.short"
    step = move("s", name, "1234.5678901234567890", "98765.4321098765432109")
    made = plan(
        account([entry(name, Status.CHANGE, declared=target(name, "98765"), live=position(name, "1"), steps=[step])])
    )
    lines = plan_text(made, color=False, columns=80).splitlines()
    assert f"  + {name}" in lines
    assert "      1234.567890123456789 → 98765.4321098765432109  +97530.8642197530864219 USDT" in [
        re.sub(" +", " ", line).replace(" 1234", "      1234", 1).replace(" +", "  +") for line in lines
    ]


def test_no_broken_line_ends_in_a_space() -> None:
    line = "2026-11-27T18:42:00.421Z  unknown      t ETHUSDT.long +300 USDT 2400 → ?"
    assert fit(f"{line}  [add_margin, run 56325bc9]", 80).splitlines() == [line, "    [add_margin, run 56325bc9]"]
