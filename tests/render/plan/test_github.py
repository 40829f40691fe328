"""Annotations that others' words can neither end nor begin."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.errors import Problem
from reconcile.model.plan import Status
from reconcile.render.common.github import problems
from reconcile.render.plan.github import plan_annotations
from tests.kit.documents_sample import account, entry, plan, target


@given(st.text(min_size=1), st.text(min_size=1))
def test_one_problem_is_one_line_and_one_command(words: str, name: str) -> None:
    shown = problems([Problem(file=name, line=3, key=words, message=words)])
    assert shown.count("\n") == 1
    assert shown.startswith("::error file=")
    properties = shown.removeprefix("::error ").partition("::")[0]
    assert [part.partition("=")[0] for part in properties.split(",")] == ["file", "line", "title"]


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("100% of it", "100%25 of it"),
        ("one\ntwo\r\nthree", "one%0Atwo%0Athree"),
        ("::error::x", "\\x3a:error::x"),
        ("\x1b[31m", "\\x1b[31m"),
    ],
)
def test_a_message_is_escaped_as_the_runner_unescapes_it(message: str, shown: str) -> None:
    problem = Problem(file="a:b,c%d.toml", line=None, key="k", message=message)
    assert problems([problem]) == f"::error file=a%3Ab%2Cc%25d.toml,title=k::{shown}\n"


def test_only_what_needs_attention_is_annotated() -> None:
    made = plan(
        account(
            [
                entry("A.long", Status.IN_SYNC, declared=target("A.long", "5", line=7)),
                entry("B.long", Status.WAITING, declared=target("B.long", "5", line=8)),
                entry("C.long", Status.BLOCKED, declared=target("C.long", "5", line=9), blocked_by="max_add"),
            ]
        )
    )
    assert plan_annotations(made) == "::error file=states/main.toml,line=9,title=C.long::blocked by max_add\n"


def test_github_is_told_how_much_of_it_is_dropped_and_the_worst_comes_first() -> None:
    held = entry("HELD.long", Status.HELD, declared=target("HELD.long", "5", line=4), reason="unknown")
    many = [
        entry(f"B{n}.long", Status.BLOCKED, declared=target("B.long", "5"), blocked_by="max_add") for n in range(30)
    ]
    lines = plan_annotations(plan(account([*many, held]))).splitlines()
    assert lines[1].startswith("::error file=states/main.toml,line=4,title=HELD.long::held: unknown")
    assert len(lines) == 32
    assert lines[0] == "::notice title=reconcile::there are 31 errors; GitHub shows 10 of each, the log has them all"


def test_a_path_is_where_the_repository_has_it() -> None:
    made = plan(
        account([entry("C.long", Status.BLOCKED, declared=target("C.long", "5", line=9), blocked_by="max_add")])
    )
    shown = plan_annotations(made, place=lambda path: f"infra/{path}")
    assert shown == "::error file=infra/states/main.toml,line=9,title=C.long::blocked by max_add\n"
