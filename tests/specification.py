"""The parts of docs/design.md that come from the code, and the rules that the page names.

``python -m tests.pictures`` writes the tables anew; ``tests/test_specification.py`` holds the page to the code.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from reconcile.evidence.possible import MarginEvidence
from reconcile.evidence.verdict import Sight, Verdict, judge
from reconcile.exchanges.catalogue import TRAITS
from reconcile.journal.records import IntentStatus
from reconcile.protocol import timing
from reconcile.protocol.lifecycle import OUTCOMES, TABLE, State

PAGE = Path(__file__).parents[1] / "docs" / "design.md"
_RULE = re.compile(r"^#### R(\d+)\. (.+)$", re.MULTILINE)
_ASSUMPTION = re.compile(r"^\| A(\d+) \|", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRule:
    """A rule as the page has it: its number, its name, and the text below its heading."""

    number: int
    name: str
    text: str

    @property
    def assumptions(self) -> frozenset[int]:
        """The numbers of the assumptions that it rests on."""
        found = re.search(r"\*Rests on:\*\s(.+?)\.\s\*", self.text, re.DOTALL)
        return frozenset(map(int, re.findall(r"A(\d+)", found[1]))) if found else frozenset()

    @property
    def off(self) -> str | None:
        """The promise that the explorer finds broken without it; None where another rule covers it."""
        found = re.search(r"\*Off:\*\s`(.+?)`", self.text, re.DOTALL)
        return None if found is None else " ".join(found[1].split())

    @property
    def defect(self) -> str | None:
        """The defect of the simulation that turns it off; None where the explorer does."""
        found = re.search(r"\*Off in the simulation:\*\s`(.+?)`", self.text, re.DOTALL)
        return None if found is None else " ".join(found[1].split())


def rules_of(text: str) -> tuple[PageRule, ...]:
    """The rules of the page, in order."""
    places = [*_RULE.finditer(text)]
    ends = [*(place.start() for place in places[1:]), len(text)]
    return tuple(
        PageRule(
            number=int(place[1]), name=place[2], text=re.split(r"^#", text[place.end() : end], flags=re.MULTILINE)[0]
        )
        for place, end in zip(places, ends, strict=True)
    )


def assumptions_of(text: str) -> tuple[int, ...]:
    """The numbers of the page's assumptions, in order."""
    return tuple(int(number) for number in _ASSUMPTION.findall(text))


def life() -> str:
    """Each state, with what can happen in it and where that leads."""
    lines = ["| State | What happens, and the state after it |", "| --- | --- |"]
    for state in State:
        arrows = [f"{event} → {after}" for (before, event), after in TABLE.items() if before is state]
        end = f"the end; reported as `{OUTCOMES[state]}`" if state in OUTCOMES else ""
        lines.append(f"| `{state}` | {', '.join(arrows) or end} |")
    return "\n".join(lines)


_WORDS = {
    Verdict.APPLIED: "applied",
    Verdict.APPLIED_ON_MARGIN: "applied on the margin alone",
    Verdict.NOT_APPLIED: "not applied",
    Verdict.UNKNOWN: "unknown",
    Verdict.RELEASED: "released",
    Verdict.LOOK_AGAIN: "look again",
}
_ROWS = {0: "none", 1: "one", 2: "two or more"}


def verdicts() -> str:
    """What two equal looks prove, by matching rows and margin: at first, at the deadline, and ten graces later."""
    head = "| Matching rows | Margin | After doubt | After a yes | After a yes, unknown since |"
    lines = [head, "| --- | --- | --- | --- | --- |"]
    for count, rows in _ROWS.items():
        for margin in MarginEvidence:
            cells = [_cell(count, margin, was) for was in (None, IntentStatus.ACCEPTED, IntentStatus.UNKNOWN)]
            lines.append(f"| {rows} | {margin.replace('_', ' ')} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(count: int, margin: MarginEvidence, was: IntentStatus | None) -> str:
    seen = Sight(rows=tuple(map(str, range(count))), margin=margin, complete=True)
    first = judge(seen, was=was, long_after=False, deadline_passed=False)
    late = judge(seen, was=was, long_after=False, deadline_passed=True)
    last = judge(seen, was=was, long_after=True, deadline_passed=True)
    told = _WORDS[first]
    if late is not first:
        told += f"; at the deadline {_WORDS[late]}"
    if last is not late:
        told += f"; ten graces later {_WORDS[last]}"
    return told


def limits() -> str:
    """The figures that the rules use."""
    lines = ["| Figure | Value |", "| --- | --- |"]
    lines += [f"| {what} | {value} |" for what, value in _limits()]
    return "\n".join(lines)


def _limits() -> Iterator[tuple[str, str]]:
    validity = ", ".join(f"{name} {traits.validity_ms // 1000} s" for name, traits in TRAITS.items())
    grace = {traits.grace_ms for traits in TRAITS.values()}
    yield "validity of a request", validity
    yield "grace, unless a state file sets another", ", ".join(f"{each // 1000} s" for each in sorted(grace))
    yield "oldest look that a call is computed from", f"{timing.MAX_READ_AGE_MS // 1000} s"
    yield "pause between two looks", f"{timing.BETWEEN_LOOKS_MS // 1000} s"
    yield "attempts of a step, each with a new intent", f"{timing.ATTEMPTS}"
    yield "a yes is looked for, before the ledger is asked", f"{timing.VISIBLE_GRACES} graces"
    yield (
        "the search goes on after the fence",
        f"{timing.SETTLE_GRACES} graces, and {timing.LEAST_LOOKS} looks at least",
    )
    yield "one witness may be late by", f"{timing.LONG_AFTER_GRACES} graces"
    yield "every look counts again after", f"{timing.LET_GO_GRACES} graces"


def written(text: str) -> str:
    """The page with its tables as the code has them now. Raises ValueError where a table has no place."""
    for name, table in (("steps", life()), ("verdicts", verdicts()), ("limits", limits())):
        begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not found or not closed:
            raise ValueError(f"writing {name}: {PAGE.name} has no place for it; add {begin.strip()} and {end}")
        text = f"{before}{begin}{table}\n{end}{after}"
    return text
