"""Every exit code and every reason of the code has a page in the runbook, and every page has one of them."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconcile.cli.explain import pages
from reconcile.model.holds import AT_WORK, UNSEEN, UNSETTLED
from reconcile.model.plan import OutcomeKind, Status
from reconcile.planning.policy import ACCOUNT_LIMITS
from reconcile.planning.unlisted import UNLISTED, UNUSABLE
from reconcile.protocol.rules import RULES, Rule
from reconcile.usecases import account as accounts
from tests.kit.cli import ROOT, run
from tests.pictures import RUNBOOK, runbook
from tests.test_readme import CONTRACT, section
from tests.test_tidy import MODULES

PARTS = ["Look", "Do", "Never"]


def constant(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value


def reasons(tree: ast.Module) -> Iterator[str]:
    """The codes that a module writes: keys of refusals and errors, and what blocks an entry."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        first = node.args[0] if node.args else None
        if called in {"Declined", "blocked"} and first is not None:
            yield from constant(first)
        if called == "append" and isinstance(first, ast.Tuple) and len(first.elts) == 2:
            yield from constant(first.elts[0])
        for keyword in node.keywords:
            if keyword.arg == "blocked_by" or (keyword.arg == "key" and called == "PlanError"):
                yield from constant(keyword.value)


def written() -> set[str]:
    """The codes of the code: what modules write, and what they take from tables."""
    found = {UNLISTED, UNUSABLE, *ACCOUNT_LIMITS, *vars(accounts)["_KEYS"].values(), "account", "error"}
    for module in MODULES:
        if module.name.startswith(("planning", "usecases", "journal", "cli", "render")):
            found.update(reasons(module.tree))
    return found


def holds() -> set[str]:
    """The codes of the rules that can hold an address; one that never wants a later look says nothing."""
    rules = {rule.name for rule in RULES if rule.says is not Rule.__dataclass_fields__["says"].default}
    return {code.replace(" ", "_") for code in {*rules, UNSETTLED, UNSEEN, AT_WORK}}


def exits() -> set[str]:
    codes = re.findall(r"^\| (\d+) \|", section(CONTRACT, "3. Exit codes"), flags=re.MULTILINE)
    return {f"exit {code}" for code in codes if code != "0"}


def outcomes() -> set[str]:
    return {Status.HELD.value, *(kind.value for kind in OutcomeKind if kind is not OutcomeKind.APPLIED)}


def test_every_reason_has_a_page_and_every_page_a_reason() -> None:
    assert set(pages()) == written() | exits() | outcomes() | holds()


@pytest.mark.parametrize("code", pages())
def test_a_page_says_what_to_look_at_what_to_do_and_what_never_to_do(code: str) -> None:
    page = pages()[code]
    assert re.findall(r"^- (\w+): ", page, flags=re.MULTILINE) == PARTS
    assert [line for line in page.splitlines() if len(line) > 80] == []


def test_the_page_in_docs_is_the_one_that_is_installed() -> None:
    assert RUNBOOK.read_text(encoding="utf-8") == runbook(), "run python -m tests.pictures"


def test_the_run_names_the_pages_that_explain_prints(tmp_path: Path) -> None:
    ended = run(tmp_path, "plan", str(ROOT / "states" / "demo-blocked.toml"))
    (line,) = re.findall(r"^What to do: reconcile (.+)$", ended.out, flags=re.MULTILINE)
    words = line.split()

    shown = run(tmp_path, *words)

    assert words[1:] == ["open_position", "allow_reduce", "max_margin"]
    assert shown.out == "\n".join(f"{code}\n\n{pages()[code]}" for code in words[1:])


def test_a_refused_plan_leads_to_its_page(tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    run(tmp_path, "plan", str(ROOT / "states" / "demo.toml"), "--out", str(plan))
    ended = run(tmp_path, "show", str(plan), "--digest", "sha256:other")
    assert (ended.code, ended.err.splitlines()[-1]) == (4, "reconcile: what to do: reconcile explain digest")


def test_an_exit_code_is_a_code_and_a_wrong_one_is_said(tmp_path: Path) -> None:
    assert run(tmp_path, "explain", "5").out.startswith("exit 5\n")
    assert run(tmp_path, "explain", "within the grace").out.startswith("within_the_grace\n")
    assert run(tmp_path, "explain", "nope").code == 64
    listed = run(tmp_path, "explain").out.splitlines()
    assert [line for line in listed if line.endswith("-")] == []
    assert [line.split()[0] for line in listed if line[0] != " "] == [code.removeprefix("exit ") for code in pages()]
