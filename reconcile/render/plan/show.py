"""A saved plan as ``reconcile show`` prints it: the plan, and what a person needs to go on with it.

Everything comes from the file and the clock of this machine. Whether the plan was applied already is in the journal,
which is not read.
"""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconcile.model.plan import Plan, SavedPlan
from reconcile.render.common.columns import fit
from reconcile.render.common.json import Document
from reconcile.render.common.markdown import code, quote
from reconcile.render.common.page import LIMIT, Page
from reconcile.render.common.scope import globs, of_files
from reconcile.render.common.values import clean, rfc3339
from reconcile.render.plan.markdown import plan_markdown
from reconcile.render.plan.text import plan_text

FORMAT = "reconcile.show/1"
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedPlanView:
    """A saved plan, the path it was read from, its whole document, and the Unix time of this machine."""

    file: str
    whole: Mapping[str, Any]
    saved: SavedPlan
    now_ms: int

    @property
    def plan(self) -> Plan:
        """The plan."""
        return self.saved.plan

    @property
    def is_expired(self) -> bool:
        """Whether this machine's clock says that apply will refuse it; apply asks its own."""
        return self.now_ms > self.plan.expires_ms

    @property
    def next_command(self) -> str | None:
        """The command line that goes on from here: apply while there is something to apply, else plan again.

        None where nothing is to be done.
        """
        has_steps = any(account.steps for account in self.plan.accounts)
        if has_steps and not self.is_expired:
            return shlex.join(["reconcile", "apply", self.file, "--digest", self.saved.digest])
        if has_steps or any(account.errors for account in self.plan.accounts):
            files = dict.fromkeys(account.desired.path for account in self.plan.accounts)
            return shlex.join(["reconcile", "plan", *files, "--out", self.file])
        return None

    @property
    def expiry(self) -> str:
        """The time of expiry, and how far that is away."""
        left = (self.plan.expires_ms - self.now_ms) // 1000
        when = f"{self.plan_time(self.plan.expires_ms)}, "
        return f"{when}in {_length(left)}" if left >= 0 else f"{when}{_length(-left)} ago: apply refuses it"

    @staticmethod
    def plan_time(time_ms: int) -> str:
        """A time to the second, in UTC."""
        return f"{rfc3339(time_ms)[:19]}Z"

    @property
    def scope(self) -> list[str]:
        """One line for each account: how many positions the plan has, and how many declared ones it leaves out.

        The last line counts the accounts that it leaves out.
        """
        left_out = f"left out by --target {globs(self.plan.scope)}" if self.plan.scope else ""
        since = self.plan.since
        return [
            f"{each.desired.name}: {len(each.order)} step{'' if len(each.order) == 1 else 's'} "
            f"for {len(each.entries)} position{'' if len(each.entries) == 1 else 's'}"
            + (f", {each.outside_scope} declared {left_out}" if left_out else "")
            for each in self.plan.accounts
        ] + ([] if since is None else [of_files(since, has_planned=bool(self.plan.accounts))])


def _length(seconds: int) -> str:
    """A length of time in its largest unit."""
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds >= size), _UNITS[-1])
    return f"{seconds // size} {unit}"


def document(shown: SavedPlanView) -> Document:
    """``reconcile.show/1``; ``plan`` is the document that the file holds."""
    return {
        "format": FORMAT,
        "file": shown.file,
        "digest": shown.saved.digest,
        "expires_at": rfc3339(shown.plan.expires_ms),
        "expired": shown.is_expired,
        "read_at": rfc3339(shown.now_ms),
        "scope": [
            {
                "account": each.desired.name,
                "targets": list(shown.plan.scope),
                "positions": len(each.entries),
                "steps": len(each.order),
                "outside": each.outside_scope,
            }
            for each in shown.plan.accounts
        ],
        "next_command": shown.next_command,
        "plan": shown.whole,
    }


def text(shown: SavedPlanView, *, color: bool, titles: Mapping[str, str], columns: int | None = None) -> str:
    """The plan as ``reconcile plan`` shows it, then digest, expiry, scope and the next command."""
    made = shown.plan
    commit = f", commit {made.git_commit}" if made.git_commit else ""
    facts = [
        ("plan", f"{made.plan_id}, made {shown.plan_time(made.created_ms)} by reconcile {made.tool_version}{commit}"),
        ("file", shown.file),
        ("digest", shown.saved.digest),
        ("expires", shown.expiry),
        ("scope", "; ".join(shown.scope) or "no account"),
        ("next", shown.next_command or "nothing to apply"),
    ]
    lines = [clean(f"{name + ':':<8} {value}") for name, value in facts]
    facts_text = fit("\n".join(lines), columns)
    return plan_text(made, color=color, titles=titles, columns=columns) + "\n" + facts_text + "\n"


def markdown_page(shown: SavedPlanView, *, titles: Mapping[str, str]) -> str:
    """The plan as a comment, led by whether it can still be applied and how."""
    page = Page(_HEAD)
    page.add(f"**{code(shown.file)}** · expires {quote(shown.expiry)}", "")
    page.add(f"Scope: {quote('; '.join(shown.scope) or 'no account')}", "")
    command = shown.next_command
    page.add(f"Next: {code(command)}" if command else "Nothing to apply.")
    head = page.finish([])
    rest = plan_markdown(shown.plan, titles=titles, limit=LIMIT - len(head) - 1, digest=shown.saved.digest)
    return f"{head}\n{rest}"


_HEAD = 12_000
"""The most characters that the head takes of a comment's."""
