"""The table that leads many accounts: who needs a person first, exact sums, the worst distance, and none for a few."""

from dataclasses import replace

import pytest

from reconcile.model.plan import AccountPlan, OutcomeKind, PlanError, Status
from reconcile.render.common import fleet
from reconcile.render.plan.markdown import plan_markdown
from reconcile.render.plan.text import plan_text
from tests.kit.documents_sample import account, account_result, entry, every_outcome, move, plan, position, result

FLEET = fleet.MOST_WITHOUT + 1


def desk(number: int) -> AccountPlan:
    """One addition that takes the nearest position from 4.0 % to 5.8 %."""
    step = move(f"s{number}", "BTCUSDT.long", "1200", "1500.5")
    change = replace(entry("BTCUSDT.long", Status.CHANGE), steps=(step,), observed=position("BTCUSDT.long", "1200"))
    return account([change], name=f"desk-{number}")


def refused(number: int) -> AccountPlan:
    error = PlanError(key="max_total_add", asset="USDT", limit="1", value="300.5", message="too much")
    return replace(desk(number), errors=(error,), exit_code=4, order=())


def test_a_few_accounts_have_no_table() -> None:
    few = plan(*map(desk, range(fleet.MOST_WITHOUT)))
    assert fleet.of_plan(few) == []
    assert "Nearest to liquidation" not in plan_text(few, color=False)


def test_each_account_has_a_line_and_those_that_need_a_person_come_first() -> None:
    many = plan(*map(desk, range(FLEET - 1)), refused(FLEET - 1))
    shown = plan_text(many, color=False).split("\n\n")
    assert shown[0].splitlines()[0].split() == " ".join(fleet.HEAD).split()
    assert shown[0].splitlines()[1].split("  ")[0] == "desk-5"
    assert "refused: max_total_add" in shown[0].splitlines()[1]
    assert shown[0].splitlines()[2] == "desk-0   1        +300.5 USDT  4.0% → 5.8%             to change"
    assert len(shown[0].splitlines()) == 1 + FLEET
    assert shown[1].startswith("desk-0: ")


def test_what_nothing_is_sent_for_stays_as_near_as_it_is() -> None:
    rows = {row.account: row for row in fleet.of_plan(plan(*map(desk, range(FLEET - 1)), refused(FLEET - 1)))}
    assert (rows["desk-0"].nearest, rows["desk-5"].nearest) == ("4.0% → 5.8%", "4.0%")


def test_markdown_leads_with_the_same_rows() -> None:
    many = plan(*map(desk, range(FLEET)))
    shown = plan_markdown(many)
    assert shown.index("| Nearest to liquidation |") < shown.index("**desk-0: ")
    assert "| <code>desk-0</code> | 1 | +300.5 USDT | 4.0% → 5.8% | to change |" in shown


@pytest.mark.parametrize(
    ("outcome", "row"),
    [
        (OutcomeKind.APPLIED, ("1 of 1", "+300.5 USDT", "4.0% → 5.8%", "1 applied")),
        (OutcomeKind.UNKNOWN, ("0 of 1", "", "4.0%", "1 unknown")),
    ],
)
def test_a_result_counts_what_is_known_to_have_moved(outcome: OutcomeKind, row: tuple[str, ...]) -> None:
    step = replace(every_outcome()[1], step_id="s0", outcome=outcome, amount=move("s0", "X.long", "0", "300.5").amount)
    one = replace(account_result([step], exit_code=0 if outcome is OutcomeKind.APPLIED else 5), plan=desk(0))
    shown = fleet.of_result(result(*[one] * FLEET, exit_code=one.exit_code))[0]
    assert shown.cells[1:] == row
    assert shown.needs_person is (outcome is OutcomeKind.UNKNOWN)
