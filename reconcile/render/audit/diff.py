"""An account at two moments, with every movement in between: text, JSON and Markdown."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from reconcile.model.reports import AddressChange, Comparison, Movement
from reconcile.money import plain
from reconcile.render.common.json import Document
from reconcile.render.common.markdown import code, quote
from reconcile.render.common.page import Page
from reconcile.render.common.values import clean, rfc3339, signed_text

FORMAT = "reconcile.audit.diff/1"
_LIVE = "live"
"""What stands for a run where the exchange was read instead."""


def diff_document(found: Sequence[Comparison]) -> Document:
    """``reconcile.audit.diff/1``."""
    return {
        "format": FORMAT,
        "accounts": [
            {
                "account": each.account,
                "identity": each.identity,
                "from": each.start,
                "to": each.end,
                "from_at": each.start_at,
                "to_at": each.end_at,
                "problem": each.problem,
                "addresses": [_address_document(change) for change in each.addresses],
            }
            for each in found
        ],
    }


def _address_document(change: AddressChange) -> Document:
    return {
        "address": change.address,
        "asset": change.asset,
        "before": _amount(change.before),
        "after": _amount(change.after),
        "movements": [
            {
                "at": movement.at if movement.at_ms is None else rfc3339(movement.at_ms),
                "cause": movement.cause,
                "change": _amount(movement.change),
                "run_id": movement.run_id or None,
                "outcome": movement.outcome,
                "detail": movement.detail,
            }
            for movement in change.movements
        ],
    }


def diff_text(found: Sequence[Comparison]) -> str:
    """Each account's addresses with every movement under them."""
    lines: list[str] = []
    for each in found:
        lines.append(f"{each.account}: from run {each.start} ({each.start_at}) to {each.end} ({each.end_at})")
        if each.problem:
            lines.append(f"  ! {each.problem}")
        for change in each.addresses:
            lines.append(
                f"  {change.address} {_margin(change.before)} → {_margin(change.after)} {change.asset}".rstrip()
            )
            lines += [f"    {_movement(movement)}" for movement in change.movements]
        if not each.addresses:
            lines.append("  no isolated margin then or now")
    return "\n".join(map(clean, lines)) + "\n"


def _margin(amount: Decimal | None) -> str:
    return "none" if amount is None else plain(amount)


def _movement(movement: Movement) -> str:
    at = movement.at if movement.at_ms is None else rfc3339(movement.at_ms)
    change = "?" if movement.change is None else signed_text(movement.change)
    by = f", run {movement.run_id}" if movement.run_id not in {"", _LIVE} else ""
    return f"{at} {change} {movement.cause}{by}, {movement.outcome}" + (
        f"  ({movement.detail})" if movement.detail else ""
    )


def diff_markdown(found: Sequence[Comparison]) -> str:
    """A table per account: one row per address and one per movement."""
    page = Page()
    for each in found:
        page.add(f"### {code(each.account)}: from {code(each.start)} to {code(each.end)}", "")
        page.add(f"{quote(each.start_at)} to {quote(each.end_at)}", "")
        if each.problem:
            page.add(f"> ❌ {quote(each.problem)}", "")
        page.table("| Address | Before | After | Change | Cause | Time | |\n|-|-:|-:|-:|-|-|-|", _diff_rows(each))
        page.add("")
    return page.finish([])


def _diff_rows(found: Comparison) -> Iterable[str]:
    for change in found.addresses:
        then, now = _margin(change.before), _margin(change.after)
        yield f"| {code(change.address)} | {then} | {now} | | | | {quote(change.asset)} |"
        for each in change.movements:
            at = each.at if each.at_ms is None else rfc3339(each.at_ms)
            moved = "?" if each.change is None else signed_text(each.change)
            notes = "; ".join(part for part in (each.outcome, each.detail) if part)
            yield f"| | | | {quote(moved)} | {quote(each.cause)} | {quote(at)} | {quote(notes)} |"


def _amount(amount: Decimal | None) -> str | None:
    return None if amount is None else plain(amount)
