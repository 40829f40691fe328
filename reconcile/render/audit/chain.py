"""The verdict on the chains of journals, and their heads: text, JSON and Markdown."""

from collections.abc import Sequence

from reconcile.model.reports import ChainVerdict
from reconcile.render.common.json import Document
from reconcile.render.common.markdown import code, quote
from reconcile.render.common.page import Page
from reconcile.render.common.values import clean

FORMAT = "reconcile.audit.verify/1"


def chain_document(verdicts: Sequence[ChainVerdict]) -> Document:
    """``reconcile.audit.verify/1``."""
    return {
        "format": FORMAT,
        "good": bool(verdicts) and all(verdict.is_good for verdict in verdicts),
        "journals": [
            {
                "account": verdict.account,
                "identity": verdict.identity,
                "good": verdict.is_good,
                "records": verdict.records,
                "head": verdict.head or None,
                "pinned": verdict.pinned,
                "bad_line": verdict.bad_line,
                "message": verdict.message,
            }
            for verdict in verdicts
        ],
    }


def chain_text(verdicts: Sequence[ChainVerdict]) -> str:
    """One line per journal; the last line is the verdict."""
    lines = []
    for each in verdicts:
        if each.is_good:
            pinned = ", holds the pinned head" if each.pinned else ""
            lines.append(f"good    {each.account} ({each.identity}): {each.records} records{pinned}, head {each.head}")
        else:
            lines.append(f"BROKEN  {each.account} ({each.identity}): {each.message}")
    bad = sum(1 for each in verdicts if not each.is_good)
    counted = f"{len(verdicts)} journal{'' if len(verdicts) == 1 else 's'}"
    last = f"{bad} of {counted} cannot be trusted." if bad else f"{counted}, every chain good."
    return "\n".join(map(clean, [*lines, last])) + "\n"


def chain_markdown(verdicts: Sequence[ChainVerdict]) -> str:
    """A table."""
    page = Page()
    page.add("### Margin journals", "")
    page.table(
        "| | Account | Journal | Records | Head | |\n|-|-|-|-:|-|-|",
        (
            f"| {'✅' if each.is_good else '❌'} | {code(each.account)} | {code(each.identity)} | {each.records} "
            f"| {code(each.head) if each.head else ''} | {quote(each.message)} |"
            for each in verdicts
        ),
    )
    return page.finish([])


def head_text(verdicts: Sequence[ChainVerdict]) -> str:
    """``ACCOUNT=HASH`` lines, as ``audit verify --head`` takes them."""
    return "".join(f"{clean(each.account)}={each.head}\n" for each in verdicts if each.is_good)
