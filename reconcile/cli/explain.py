"""``reconcile explain``: the runbook page of an exit code, an outcome or a reason, from the installed program."""

import re
import sys
from functools import cache
from importlib.resources import files
from textwrap import TextWrapper

import click

from reconcile.cli.common import command, pass_session
from reconcile.cli.session import Invocation
from reconcile.errors import UsageError

_PAGE = re.compile(r"^## (?P<code>.+)\n(?P<text>(?:(?!## ).*\n?)*)", re.MULTILINE)
_LEAD = re.compile(r"^(?:Blocked|Refused|Held), exit \d(?:[^:]{0,30}): |^Exit [^:]{1,20}: ")
_EXIT = "exit "
_COLUMNS = 80


@command("explain", formats=("text",))
@click.argument("codes", metavar="[CODE]...", nargs=-1)
@pass_session
def explain(session: Invocation, *, codes: tuple[str, ...]) -> int:
    """Say what an exit code or a reason means and what to do.

    A CODE is an exit code, an outcome, or the word behind 'blocked by', '!' or 'What to do' in the output. Without one,
    all of them are listed.

    \b
    Exit codes: 0 shown, 64 there is no such code.
    Example:    reconcile explain held max_add
    """
    session.check_files()
    chosen = [_named(code) for code in codes]
    found = pages()
    shown = (
        "\n".join(f"{code}\n\n{found[code]}" for code in chosen)
        if chosen
        else _listed(found, session.look_of(sys.stdout)["columns"] or _COLUMNS)
    )
    return session.emit({"text": lambda: shown})


@cache
def pages() -> dict[str, str]:
    """Every page of the runbook by its code, in order; ``exit 3`` and the like for exit codes."""
    text = files("reconcile.cli").joinpath("runbook.md").read_text(encoding="utf-8")
    return {page["code"]: f"{page['text'].strip()}\n" for page in _PAGE.finditer(text)}


def summary(page: str) -> str:
    """The first sentence of a page in one line, without the exit code that leads it."""
    first = " ".join(re.split(r"(?<=\.)\s", page, maxsplit=1)[0].split())
    found = _LEAD.sub("", first)
    return found[:1].upper() + found[1:]


def _named(code: str) -> str:
    """The code of a page as it was typed; raises UsageError where there is no such page."""
    wanted = f"{_EXIT}{code}" if code.isdecimal() else code.replace(" ", "_")
    if wanted not in pages():
        raise UsageError(f"{code[:40]!r} has no page; 'reconcile explain' lists all of them")
    return wanted


def _listed(found: dict[str, str], columns: int) -> str:
    width = max(map(len, found)) + 2
    lines = []
    for code, page in found.items():
        name = f"{code.removeprefix(_EXIT):<{width}}"
        box = TextWrapper(columns, initial_indent=name, subsequent_indent=" " * width, break_on_hyphens=False)
        lines += box.wrap(summary(page))
    return "\n".join(lines) + "\n"
