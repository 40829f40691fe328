"""No path of the machine breaks a promise, and without a rule one does."""

import os

import pytest

from reconcile.protocol.rules import RULES
from tests.explorer.scopes import SCOPES
from tests.explorer.search import explore
from tests.explorer.switches import COVERED, SWITCHES, Covered, Switch

MOST = 25_000 if "CI" in os.environ else 5_000
"""States of each scope; ``python -m tests.explorer --states 0`` has no bound."""


@pytest.mark.parametrize("name", SCOPES)
def test_no_path_breaks_a_promise(name: str) -> None:
    found = explore(SCOPES[name], most=MOST)
    assert found.violation == "", "\n".join(found.timeline)


@pytest.mark.parametrize("switch", SWITCHES, ids=lambda switch: switch.rule)
def test_a_rule_is_there_for_a_reason(switch: Switch) -> None:
    with switch.off():
        assert explore(switch.scope, most=150_000).violation != ""


@pytest.mark.parametrize("covered", COVERED, ids=lambda covered: covered.rule)
def test_a_rule_that_another_covers_is_said_to_be(covered: Covered) -> None:
    with covered.off():
        assert explore(covered.scope, most=MOST).violation == ""


def test_every_rule_of_freshness_has_a_switch() -> None:
    named = {each.rule for each in SWITCHES} | {each.rule for each in COVERED}
    assert {rule.name for rule in RULES} <= named
