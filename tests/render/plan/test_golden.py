"""What people see, byte for byte. RECONCILE_GOLDEN=write writes the texts anew, to be read before a commit."""

import os
from pathlib import Path

import pytest

from reconcile.model.plan import Plan, PlanError, Status
from reconcile.render.plan import github, json, markdown, text
from tests.kit.documents_sample import TITLES, account, entry, every_entry, every_result, plan

GOLDEN = Path(__file__).parent / "golden"
REFUSED = PlanError(
    key="max_total_add", asset="USDT", limit="20000", value="23000", message="23000 USDT would be added; at most 20000"
)


def troubled() -> Plan:
    """One account refused as a whole, one that could not be read, one in sync."""
    unread = account([], errors=[PlanError(key="exchange", message="no connection could be made")], exit_code=1)
    quiet = account([item for item in every_entry() if item.status is Status.IN_SYNC], name="quiet")
    return plan(account(errors=[REFUSED], exit_code=4), unread, quiet, overrides={"main:max_add": "9000"})


CASES = {
    "plan.txt": lambda: text.plan(plan(), color=False, titles=TITLES),
    "plan.json": lambda: json.dumps(json.plan(plan())),
    "plan.md": lambda: markdown.plan(plan(), titles=TITLES),
    "plan.github": lambda: github.plan(plan()),
    "troubled.txt": lambda: text.plan(troubled(), color=False, titles=TITLES),
    "troubled.md": lambda: markdown.plan(troubled(), titles=TITLES),
    "troubled.github": lambda: github.plan(troubled()),
    "question.txt": lambda: text.question(plan(account(), account(name="other")), titles=TITLES),
    "result.txt": lambda: text.result(every_result(), color=False, titles=TITLES),
    "result.json": lambda: json.dumps(json.result(every_result())),
    "result.md": lambda: markdown.result(every_result(), titles=TITLES),
    "result.github": lambda: github.result(every_result()),
    "empty.txt": lambda: text.plan(plan(account([entry("A.net", Status.IN_SYNC, asset=None)])), color=False),
}


@pytest.mark.parametrize("name", CASES)
def test_a_rendering_is_as_it_was_read(name: str) -> None:
    shown = CASES[name]()
    if os.environ.get("RECONCILE_GOLDEN") == "write":
        GOLDEN.mkdir(exist_ok=True)
        (GOLDEN / name).write_text(shown, encoding="utf-8")
    assert shown == (GOLDEN / name).read_text(encoding="utf-8")
