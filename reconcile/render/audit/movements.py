"""Every movement of margin with its cause, and the totals: text, JSON, Markdown and CSV."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from reconcile.model.exports import AccountMovement, MovementExport, MovementTotal
from reconcile.money import plain
from reconcile.render.common import csv_text
from reconcile.render.common.columns import aligned
from reconcile.render.common.json import Document
from reconcile.render.common.markdown import code, quote
from reconcile.render.common.page import Page
from reconcile.render.common.values import clean, signed_text

FORMAT = "reconcile.audit.movements/1"
COLUMNS = (
    *("at", "clock", "account", "identity", "address", "asset", "cause", "change", "asked", "before", "after"),
    *("outcome", "actor", "reason", "run_id", "host", "git_commit", "plan_id", "digest", "detail"),
)


def movements_document(found: MovementExport) -> Document:
    """``reconcile.audit.movements/1``: one object per movement, then the totals by cause, actor and asset."""
    return {
        "format": FORMAT,
        "movements": [{name: value or None for name, value in _fields(each).items()} for each in found.movements],
        "totals": [
            {
                "cause": each.cause,
                "actor": each.actor or None,
                "asset": each.asset,
                "added": plain(each.added),
                "removed": plain(each.removed),
                "net": plain(each.net),
                "movements": each.movements,
                "unclear": each.unclear,
            }
            for each in found.totals
        ],
    }


def _fields(each: AccountMovement) -> dict[str, str]:
    movement = each.movement
    return {
        "at": each.at,
        "clock": "exchange" if each.by_exchange_clock else "runner",
        "account": each.account,
        "identity": each.identity,
        "address": movement.address,
        "asset": movement.asset,
        "cause": movement.cause,
        "change": _amount(movement.change),
        "asked": _amount(movement.asked),
        "before": movement.before,
        "after": movement.after,
        "outcome": movement.outcome,
        "actor": movement.actor,
        "reason": movement.reason,
        "run_id": movement.run_id,
        "host": movement.host,
        "git_commit": movement.git_commit,
        "plan_id": movement.plan_id,
        "digest": movement.digest,
        "detail": movement.detail,
    }


def _amount(amount: Decimal | None) -> str:
    return "" if amount is None else plain(amount)


def movements_csv(found: MovementExport) -> str:
    """One line per movement; the totals are for the spreadsheet to make."""
    return csv_text.table(COLUMNS, (tuple(_fields(each).values()) for each in found.movements))


def movements_text(found: MovementExport) -> str:
    """One line per movement, then one per total."""
    lines = [*_movement_lines(found.movements)]
    if found.totals:
        lines += ["", "Totals by cause, actor and asset:", *_total_lines(found.totals)]
    count = len(found.movements)
    return "\n".join([*map(clean, lines), "", f"{count} movement{'' if count == 1 else 's'}."]).lstrip("\n") + "\n"


def _movement_lines(movements: Sequence[AccountMovement]) -> Iterable[str]:
    width = max((len(f"{each.account} {each.movement.address}") for each in movements), default=0)
    changes = aligned([_shown(each.movement.change) for each in movements])
    for each, change in zip(movements, changes, strict=True):
        movement = each.movement
        place = f"{each.account} {movement.address}"
        around = f"  {movement.before} → {movement.after or '?'}" if movement.before else ""
        who = f", {movement.actor}" if movement.actor else ""
        told = f", run {movement.run_id}" if movement.run_id else ""
        notes = "; ".join(filter(None, (movement.detail, movement.reason and f"reason: {movement.reason}")))
        yield (
            f"{each.at[:19]}Z  {place:<{width}}  {change} {movement.asset}{around}  "
            f"{movement.cause} ({movement.outcome}{who}{told})" + (f"  {notes}" if notes else "")
        )


def _total_lines(totals: Sequence[MovementTotal]) -> Iterable[str]:
    names = [f"{each.cause}{f' {each.actor}' if each.actor else ''}" for each in totals]
    width = max(map(len, names))
    nets, counts = aligned([_shown(each.net) for each in totals]), aligned([str(each.movements) for each in totals])
    for each, name, net, count in zip(totals, names, nets, counts, strict=True):
        parts = [signed_text(each.added) if each.added else "", signed_text(-each.removed) if each.removed else ""]
        sums = f" ({', '.join(filter(None, parts))})" if all(parts) else ""
        unclear = f", {each.unclear} with an outcome that is not known" if each.unclear else ""
        counted = f"{count} movement{'' if each.movements == 1 else 's'}{unclear}"
        yield f"  {name:<{width}}  {net} {each.asset}{sums}  {counted}"


def _shown(change: Decimal | None) -> str:
    return "?" if change is None else signed_text(change)


def movements_markdown(found: MovementExport) -> str:
    """The totals, then a table of the movements."""
    page = Page()
    count = len(found.movements)
    page.add(f"### Margin movements: {count}", "")
    page.table(
        "| Cause | Actor | Asset | Added | Taken out | Net | Movements | Unclear |\n|-|-|-|-:|-:|-:|-:|-:|",
        _sums(found),
    )
    page.add("")
    page.table(
        "| Time (UTC) | Account | Address | Change | Before | After | Cause | Outcome | By | Run | |\n"
        "|-|-|-|-:|-:|-:|-|-|-|-|-|",
        map(_row, found.movements),
    )
    return page.finish([])


def _sums(found: MovementExport) -> Iterable[str]:
    for each in found.totals:
        cells = [quote(each.cause), quote(each.actor), quote(each.asset), plain(each.added), plain(each.removed)]
        cells += [f"**{quote(signed_text(each.net))}**", str(each.movements), str(each.unclear)]
        yield f"| {' | '.join(cells)} |"


def _row(each: AccountMovement) -> str:
    movement = each.movement
    notes = "; ".join(part for part in (movement.detail, movement.reason) if part)
    cells = [quote(each.at), code(each.account), code(movement.address)]
    cells += [
        f"{quote(_shown(movement.change))} {quote(movement.asset)}",
        quote(movement.before),
        quote(movement.after),
    ]
    cells += [quote(movement.cause), quote(movement.outcome), quote(movement.actor)]
    return f"| {' | '.join([*cells, code(movement.run_id) if movement.run_id else '', quote(notes)])} |"
