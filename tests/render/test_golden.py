"""What people see, byte for byte. RECONCILE_GOLDEN=write writes the texts anew, to be read before a commit."""

import os
from pathlib import Path

import pytest

from reconcile.model.plan import Plan, PlanError, Status
from reconcile.render.common.json import dumps
from reconcile.render.plan import text
from reconcile.render.plan.github import plan_annotations
from reconcile.render.plan.json import plan_document
from reconcile.render.plan.markdown import plan_markdown
from reconcile.render.plan.text import plan_text
from reconcile.render.result.github import result_annotations
from reconcile.render.result.json import result_document
from reconcile.render.result.markdown import result_markdown
from reconcile.render.result.text import result_text
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
    "plan.txt": lambda: plan_text(plan(), color=False, titles=TITLES),
    "plan.json": lambda: dumps(plan_document(plan())),
    "plan.md": lambda: plan_markdown(plan(), titles=TITLES),
    "plan.github": lambda: plan_annotations(plan()),
    "troubled.txt": lambda: plan_text(troubled(), color=False, titles=TITLES),
    "troubled.md": lambda: plan_markdown(troubled(), titles=TITLES),
    "troubled.github": lambda: plan_annotations(troubled()),
    "question.txt": lambda: text.question(plan(account(), account(name="other")), titles=TITLES),
    "result.txt": lambda: result_text(every_result(), color=False, titles=TITLES),
    "result.json": lambda: dumps(result_document(every_result())),
    "result.md": lambda: result_markdown(every_result(), titles=TITLES),
    "result.github": lambda: result_annotations(every_result()),
    "empty.txt": lambda: plan_text(plan(account([entry("A.net", Status.IN_SYNC, asset=None)])), color=False),
}


@pytest.mark.parametrize("name", CASES)
def test_a_rendering_is_as_it_was_read(name: str) -> None:
    shown = CASES[name]()
    if os.environ.get("RECONCILE_GOLDEN") == "write":
        GOLDEN.mkdir(exist_ok=True)
        (GOLDEN / name).write_text(shown, encoding="utf-8")
    assert shown == (GOLDEN / name).read_text(encoding="utf-8")
