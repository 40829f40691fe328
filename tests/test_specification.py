"""docs/design.md section 3 is the specification: it has the tables and the rules that the code has, and no others."""

import re

import pytest

from reconcile.protocol.rules import RULES
from tests.explorer.switches import COVERED, SWITCHES
from tests.simulation.mutations import MUTATIONS
from tests.specification import PAGE, PageRule, assumptions_of, rules_of, written

TEXT = PAGE.read_text(encoding="utf-8")
ON_PAGE = rules_of(TEXT)
ROOT = PAGE.parents[1]
PLAYED = {each.rule: each.name for each in MUTATIONS if each.rule}
"""The rules that the simulation turns off, each with the defect that does."""
PLACES = sorted(set(re.findall(r"`((?:reconcile|tests)/[\w./-]+\.py)(?:::(\w+))?`", TEXT)))


def test_the_tables_are_current() -> None:
    assert written(TEXT) == TEXT, "run python -m tests.pictures"


def test_every_rule_of_the_code_is_on_the_page_and_no_other() -> None:
    named = [each.name for each in ON_PAGE]
    switches = {each.rule for each in (*SWITCHES, *COVERED)}
    assert sorted(named) == sorted({*switches, *(rule.name for rule in RULES), *PLAYED})
    assert [each.number for each in ON_PAGE] == list(range(1, len(ON_PAGE) + 1))


def test_the_rules_of_freshness_stand_in_the_order_in_which_they_are_asked() -> None:
    names = [rule.name for rule in RULES]
    assert [each.name for each in ON_PAGE if each.name in names] == names


@pytest.mark.parametrize("rule", ON_PAGE, ids=lambda rule: rule.name)
def test_a_rule_has_its_reason_its_assumptions_its_code_and_its_proofs(rule: PageRule) -> None:
    for part in ("*Why:*", "*Rests on:*", "*Code:*", "*Test:*"):
        assert rule.text.count(part) == 1
    assert re.search(r"\*Test:\* `tests/\w+/test_\w+\.py`\. \*(?:Off|Off in the simulation|Covered by):\*", rule.text)
    assert rule.assumptions <= set(assumptions_of(TEXT))
    assert rule.assumptions
    covered = rule.name in {each.rule for each in COVERED}
    switched = rule.name in {each.rule for each in SWITCHES}
    assert (rule.off is not None, "*Covered by:*" in rule.text) == (switched, covered)
    assert rule.defect == PLAYED.get(rule.name)


def test_every_assumption_is_one_that_a_rule_rests_on() -> None:
    numbers = assumptions_of(TEXT)
    assert numbers == tuple(range(1, len(numbers) + 1))
    assert frozenset[int]().union(*(rule.assumptions for rule in ON_PAGE)) | _refusals() == set(numbers)


def _refusals() -> set[int]:
    """What the classes of answers rest on."""
    return {int(number) for number in re.findall(r"\(A(\d+)\)", TEXT)}


@pytest.mark.parametrize(("path", "name"), PLACES)
def test_what_the_page_names_is_there(path: str, name: str) -> None:
    content = (ROOT / path).read_text(encoding="utf-8")
    if name:
        assert re.search(rf"^ *(?:async )?(?:def|class) {name}\b|^{name}\b", content, re.MULTILINE)
