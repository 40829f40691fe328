"""Text for people: true last lines, no control characters, colour that only repeats."""

import json
import re
import unicodedata
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.model.account import Address, Side
from reconcile.model.plan import OutcomeKind, Plan, PlanError, Result, Status
from reconcile.render.common.json import dumps
from reconcile.render.plan import text
from reconcile.render.plan.github import plan_annotations
from reconcile.render.plan.json import plan_document
from reconcile.render.plan.markdown import plan_markdown
from reconcile.render.plan.text import plan_text
from reconcile.render.result.conclusion import conclusion
from reconcile.render.result.github import result_annotations
from reconcile.render.result.json import result_document
from reconcile.render.result.markdown import result_markdown
from reconcile.render.result.text import result_text
from tests.kit.desk import hold
from tests.kit.documents_sample import (
    account,
    account_result,
    entry,
    every_entry,
    every_outcome,
    every_result,
    plan,
    position,
    result,
    step_result,
    target,
)

ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


@pytest.mark.parametrize(
    "show",
    [
        lambda color: plan_text(plan(), color=color),
        lambda color: result_text(every_result(), color=color),
    ],
)
def test_colour_adds_nothing_but_escapes(show: Callable[[bool], str]) -> None:
    assert ESCAPES.sub("", show(True)) == show(False)  # noqa: FBT003 - the case's own parameter
    assert ESCAPES.search(show(True))  # noqa: FBT003 - as above


def hostile(words: str) -> Plan:
    """A plan in which everything that others write says the same."""
    address = Address(words, Side.LONG)
    item = entry(
        "X.long",
        Status.BLOCKED,
        declared=target("X.long", "5"),
        live=position("X.long", "4"),
        blocked_by=words,
        reason=words,
        asset=words,
    )
    named = type(item)(**{**{name: getattr(item, name) for name in item.__slots__}, "address": address})
    return plan(account([named], errors=[PlanError(key=words, message=words)], exit_code=4), overrides={words: words})


def hostile_result(words: str) -> Result:
    """The same for a result."""
    steps = [step_result("s", "X.long", OutcomeKind.REFUSED, before=words, after=words, evidence=words, detail=words)]
    return result(account_result(steps, exit_code=3, errors=[PlanError(key=words, message=words)]), exit_code=3)


@given(st.text(min_size=1))
def test_nothing_that_others_wrote_gets_a_control_character_into_any_output(words: str) -> None:
    made, ended = hostile(words), hostile_result(words)
    shown = [
        plan_text(made, color=False),
        text.question(made),
        result_text(ended, color=False),
        plan_markdown(made),
        result_markdown(ended),
        plan_annotations(made),
        result_annotations(ended),
    ]
    for output in shown:
        strange = {char for char in output if unicodedata.category(char)[0] == "C" or char in "\u2028\u2029"}
        assert strange <= {"\n", "\u200b"}


@given(st.text(min_size=1))
def test_nothing_that_others_wrote_adds_a_line_to_the_text(words: str) -> None:
    shown = [plan_text(hostile(each), color=False).partition("What to do: ")[0] for each in (words, "x")]
    assert shown[0].count("\n") == shown[1].count("\n")


APPLIED = step_result("s1", "A.long", OutcomeKind.APPLIED, amount="1")
HELD = [
    replace(entry(f"{symbol}.long", Status.HELD), hold=hold("why", is_unknown=symbol == "LTCUSDT"))
    for symbol in ("ETHUSDT", "LTCUSDT")
]
WAITING = [item for item in every_entry() if item.status is Status.WAITING]
LAST_LINES: dict[str, tuple[Result, str]] = {
    "in sync": (
        result(account_result([], exit_code=0), exit_code=0),
        "IN SYNC: nothing had to be sent, and nothing was.",
    ),
    "done": (
        result(account_result([APPLIED], exit_code=0), exit_code=0),
        "DONE: 1 step applied and verified; live is as declared.",
    ),
    "done but for a position": (
        result(account_result([APPLIED], exit_code=0, remaining=WAITING), exit_code=0),
        "DONE: 1 step applied and verified; live is as declared. 1 target waiting for a position.",
    ),
    "error before anything": (
        result(account_result([], exit_code=1), exit_code=1),
        "FAILED: nothing was sent (3 steps planned). The error above says what to do.",
    ),
    "error half way": (
        result(account_result([APPLIED], exit_code=1), exit_code=1),
        "FAILED: 1 of 3 steps applied, 2 not started. The error above says what to do.",
    ),
    "error on one of several": (
        result(account_result([APPLIED], exit_code=0), account_result([], exit_code=1), exit_code=1),
        "FAILED for main (1 of 2 accounts); in all: 1 of 6 steps applied, 5 not started. The error above says",
    ),
    "refused, one of several": (
        result(account_result([APPLIED], exit_code=0), account_result([], exit_code=4), exit_code=4),
        "REFUSED for main (1 of 2 accounts); in all: 1 of 6 steps applied, 5 not started. The reason is above.",
    ),
    "refused": (
        result(account_result([], exit_code=4), exit_code=4),
        "REFUSED: nothing was sent (3 steps planned). The reason is above.",
    ),
    "short": (
        result(account_result([APPLIED, every_outcome()[3]], exit_code=3), exit_code=3),
        "INCOMPLETE: 1 of 3 steps applied, 1 refused by the exchange (nothing changed), 1 not started.",
    ),
    "unknown": (
        result(account_result([every_outcome()[1]], exit_code=5), exit_code=5),
        "UNKNOWN: 0 of 3 steps applied, 1 UNKNOWN, 2 not started. Held, nothing more is sent for: main:BTCUSDT.long.",
    ),
    "unknown, and a reading in doubt": (
        result(account_result([every_outcome()[1]], exit_code=5, remaining=HELD), exit_code=5),
        (
            "UNKNOWN: 0 of 3 steps applied, 1 UNKNOWN, 2 not started, 2 held. Held, nothing more is sent for: "
            "main:BTCUSDT.long, main:LTCUSDT.long. Do not move"
        ),
    ),
    "interrupted": (
        result(account_result([APPLIED], exit_code=130), exit_code=130),
        "INTERRUPTED: 1 of 3 steps applied, 2 not started. Running apply again is safe",
    ),
}


NO = PlanError(key="not_confirmed", message="asking before the first call: not confirmed; nothing was sent")
GIVEN_UP = step_result(
    "s1", "A.long", OutcomeKind.SKIPPED, detail="given up after 3 attempts: -1003: too many requests"
)


def test_after_no_it_says_cancelled() -> None:
    ended = result(account_result([], exit_code=4, errors=[NO]), exit_code=4)
    assert conclusion(ended) == "Cancelled: nothing was sent."


def test_nothing_was_sent_is_said_only_where_no_write_left() -> None:
    quiet = result(replace(account_result([GIVEN_UP], exit_code=3), requests={"write": 0}), exit_code=3)
    assert conclusion(quiet).startswith("INCOMPLETE: nothing was sent (3 steps planned).")
    loud = result(replace(account_result([GIVEN_UP], exit_code=3), requests={"write": 3}), exit_code=3)
    assert conclusion(loud).startswith("INCOMPLETE: 0 of 3 steps applied, 1 not done, 2 not started, 3 requests sent.")


@pytest.mark.parametrize("case", LAST_LINES)
def test_the_last_line_says_what_was_and_was_not_done(case: str) -> None:
    ended, expected = LAST_LINES[case]
    last = result_text(ended, color=False).splitlines()[-1]
    assert last == conclusion(ended)
    assert last.startswith(expected)


def test_a_stale_plan_is_not_shown_as_what_live_lacks() -> None:
    stale = PlanError(key="stale", message="margin moved since the plan")
    ended = result(account_result([], exit_code=4, remaining=WAITING, errors=[stale]), exit_code=4)
    shown = result_text(ended, color=False)
    assert "as planned, and out of date:" in shown
    assert "still different from the state file" not in shown


def test_every_address_has_its_line() -> None:
    shown = plan_text(plan(account(every_entry())), color=False).splitlines()
    for item in every_entry():
        assert sum(f" {item.address} " in line for line in shown) == 1


def test_a_blocked_and_a_waiting_line_say_why() -> None:
    shown = plan_text(plan(), color=False)
    assert "blocked by max_margin: 90000 USDT would be over" in shown
    assert "waiting: no open position" in shown


def test_an_account_refused_as_a_whole_says_that_nothing_of_it_is_sent() -> None:
    refused = account(errors=[PlanError(key="max_changes", message="3 changes, at most 2")], exit_code=4)
    assert "refused as a whole: nothing of this account is sent" in plan_text(plan(refused), color=False)


def test_the_question_names_only_accounts_that_something_is_sent_to() -> None:
    quiet = account([item for item in every_entry() if item.status is Status.IN_SYNC], name="quiet")
    shown = text.question(plan(account(), quiet))
    assert "main: binance LIVE: 3 requests, +300 −100.25 USDT" in shown
    assert "quiet" not in shown


@pytest.mark.parametrize("words", ["::add-mask::0", "##[add-mask]0", "\n::stop-commands::x", " ##vso[task.complete]"])
def test_nothing_that_others_wrote_is_a_command_of_a_ci_runner(words: str) -> None:
    made, ended = hostile(words), hostile_result(words)
    shown = [plan_text(made, color=False), text.question(made), result_text(ended, color=False)]
    shown += [plan_markdown(made), result_markdown(ended)]
    shown += [dumps(plan_document(made)), dumps(result_document(ended))]
    lines = [line for output in shown for line in output.splitlines()]
    assert [line for line in lines if line.lstrip().startswith("::") or "##[" in line or "##vso[" in line] == []
    annotated = [line for output in (plan_annotations(made), result_annotations(ended)) for line in output.splitlines()]
    assert {line.split()[0] for line in annotated} <= {"::error", "::warning", "::notice"}
    assert json.loads(dumps(plan_document(made))) == plan_document(made)
