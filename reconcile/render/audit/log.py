"""The audit log as text, JSON, Markdown and CSV.

Reasons and exchange messages were written by others: ``clean``, ``quote`` and ``csv_text.cell`` keep them text.
"""

from collections.abc import Sequence
from dataclasses import fields

from reconcile.model.reports import LogRow
from reconcile.money import parse
from reconcile.render.common import csv_text
from reconcile.render.common.json import Document
from reconcile.render.common.markdown import code, quote
from reconcile.render.common.page import Page
from reconcile.render.common.values import clean, signed_text

FORMAT = "reconcile.audit.log/1"
_COLUMNS = tuple(field.name for field in fields(LogRow))


def log_document(rows: Sequence[LogRow]) -> Document:
    """``reconcile.audit.log/1``: one object per row."""
    return {"format": FORMAT, "rows": [{name: getattr(row, name) for name in _COLUMNS} for row in rows]}


def log_csv(rows: Sequence[LogRow]) -> str:
    """A header and one line per row."""
    return csv_text.table(_COLUMNS, ([str(getattr(row, name)) for name in _COLUMNS] for row in rows))


def log_text(rows: Sequence[LogRow]) -> str:
    """One line per row; the last line counts them."""
    return "\n".join([*map(_log_line, rows), f"{len(rows)} row{'' if len(rows) == 1 else 's'}."]) + "\n"


def _log_line(row: LogRow) -> str:
    amount = f" {_change(row.amount)} {row.asset}".rstrip() if row.amount else ""
    margins = f" {row.before} → {row.after or '?'}" if row.before else ""
    notes = "; ".join(part for part in (row.detail, f"reason: {row.reason}" if row.reason else "") if part)
    who = f"{row.account} {row.address}".strip()
    by = f"[{row.what}, run {row.run_id}, {row.actor or 'unnamed'}]"
    line = f"{row.at}  {row.outcome:<12} {who}{amount}{margins}  {by}"
    return clean(f"{line}  {notes}" if notes else line)


def _change(amount: str) -> str:
    """A signed amount in the notation for people."""
    return signed_text(parse(amount)) if amount else ""


def log_markdown(rows: Sequence[LogRow]) -> str:
    """A table."""
    page = Page()
    page.add(f"### Margin log: {len(rows)} row{'' if len(rows) == 1 else 's'}", "")
    page.table(
        "| Time | Outcome | Account | Address | Amount | Before | After | By | Run | |\n|-|-|-|-|-:|-:|-:|-|-|-|",
        map(_log_row, rows),
    )
    return page.finish([])


def _log_row(row: LogRow) -> str:
    notes = "; ".join(part for part in (row.detail, row.reason) if part)
    cells = [quote(row.at), f"**{quote(row.outcome)}**", code(row.account), code(row.address) if row.address else ""]
    cells += [
        quote(f"{_change(row.amount)} {row.asset}".strip()),
        quote(row.before),
        quote(row.after),
        quote(row.actor),
    ]
    return f"| {' | '.join([*cells, code(row.run_id), quote(notes)])} |"
