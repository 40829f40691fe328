"""A rehearsal as text, Markdown and JSON: what would be lost, what the file needs, and what stands in the way."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from reconcile.model.rehearsal import AccountRehearsal, Fate, PathSummary, Rehearsal
from reconcile.money import plain, rounded
from reconcile.render.common.columns import fit
from reconcile.render.common.json import Document, error_list
from reconcile.render.common.markdown import code, quote
from reconcile.render.common.page import Page
from reconcile.render.common.values import clean, price

REHEARSAL_FORMAT = "reconcile.rehearsal/1"


def text(accounts: Sequence[AccountRehearsal], *, columns: int | None = None) -> str:
    """For a person: one line per position, what is lost first; then what the file needs."""
    lines = [line for account in accounts for line in _account(account)]
    return fit("\n".join(lines), columns) + "\n"


def _account(account: AccountRehearsal) -> list[str]:
    lines = [f"{account.account}  ({account.state_file})"]
    lines += [f"  ! {error.key}: {error.message}" for error in account.errors]
    if account.rehearsal is not None:
        for fate in _sorted(account.rehearsal):
            lines.append(f"  {'=' if fate.liquidated_at is None else '!'} {_fate(fate)}")
        lines += [f"  {line}" for line in _money(account.rehearsal)]
        lines.append(f"  {_verdict(account.rehearsal)}")
    if account.paths is not None:
        lines.append(f"  {_paths(account.paths)}")
    return [clean(line) for line in lines]


def _sorted(rehearsal: Rehearsal) -> list[Fate]:
    return sorted(rehearsal.fates, key=lambda fate: fate.liquidated_at is None)


def _fate(fate: Fate) -> str:
    end = f"liquidated at {price(fate.liquidated_at)}" if fate.liquidated_at is not None else "lives"
    margin = f"margin {plain(fate.margin_before)} → {plain(fate.margin_after)} {fate.asset}"
    stopped = "" if fate.stopped_by is None else f"  stopped by {fate.stopped_by}"
    return f"{fate.address}  {end}  {margin}{stopped}"


def _money(rehearsal: Rehearsal) -> list[str]:
    assets = sorted({*rehearsal.needed, *rehearsal.added})
    return [
        f"{asset}: {_of(rehearsal.needed, asset)} needed, {_of(rehearsal.added, asset)} added, "
        f"{_of(rehearsal.available, asset)} free before"
        for asset in assets
    ]


def _of(amounts: Mapping[str, Decimal], asset: str) -> str:
    return plain(amounts.get(asset, Decimal(0)))


def _verdict(rehearsal: Rehearsal) -> str:
    lost = len(rehearsal.liquidated)
    shock = plain(rounded(rehearsal.shock * 100, 2))
    return f"Prices {shock}%: {lost} of {len(rehearsal.fates)} positions liquidated; nothing was sent."


def _paths(paths: PathSummary) -> str:
    worst = plain(rounded(paths.worst * 100, 0))
    needed = ", ".join(f"{plain(amount)} {asset}" for asset, amount in sorted(paths.needed.items())) or "nothing"
    lost = ", ".join(f"{address} in {count}" for address, count in sorted(paths.liquidations.items())) or "none"
    return (
        f"{paths.paths} paths: liquidations in {paths.with_liquidations} ({lost}); at most {needed} needed; "
        f"worst price {worst}%."
    )


def markdown(accounts: Sequence[AccountRehearsal]) -> str:
    """A table per account."""
    page = Page()
    page.add("### Rehearsal: nothing was sent")
    for account in accounts:
        page.add("", f"**{quote(account.account)}** ({code(account.state_file)})", "")
        for error in account.errors:
            page.add(f"> ❌ {code(error.key)}: {quote(error.message[:2000])}", ">")
        if account.rehearsal is not None:
            rows = [_row(fate) for fate in _sorted(account.rehearsal)]
            page.table("| | Address | Liquidated at | Margin | Stopped by |\n|-|-|-:|-|-|", rows)
            lines = [*_money(account.rehearsal), _verdict(account.rehearsal)]
            page.add("", *(quote(line) + "  " for line in lines))
        if account.paths is not None:
            page.add(quote(_paths(account.paths)))
    return page.finish([])


def _row(fate: Fate) -> str:
    lost = fate.liquidated_at is not None
    cells = [
        "⛔" if lost else "",
        code(str(fate.address)),
        price(fate.liquidated_at) if lost else "",
        f"{plain(fate.margin_before)} → {plain(fate.margin_after)} {quote(fate.asset)}",
        quote(fate.stopped_by or ""),
    ]
    return f"| {' | '.join(cells)} |"


def document(accounts: Sequence[AccountRehearsal]) -> Document:
    """``reconcile.rehearsal/1``."""
    return {
        "format": REHEARSAL_FORMAT,
        "accounts": [
            {
                "account": account.account,
                "exit_code": account.exit_code,
                "errors": error_list(account.errors),
                **_rehearsal(account.rehearsal),
                "paths": _path_document(account.paths),
            }
            for account in accounts
        ],
    }


def _rehearsal(found: Rehearsal | None) -> Document:
    if found is None:
        return {"shock": None, "positions": [], "available": {}, "added": {}, "needed": {}}
    return {
        "shock": plain(found.shock),
        "positions": [
            {
                "address": str(fate.address),
                "asset": fate.asset,
                "mark_before": plain(fate.mark_before),
                "margin_before": plain(fate.margin_before),
                "margin_after": plain(fate.margin_after),
                "liquidated_at": None if fate.liquidated_at is None else plain(rounded(fate.liquidated_at, 8)),
                "stopped_by": fate.stopped_by,
            }
            for fate in found.fates
        ],
        "available": _amounts(found.available),
        "added": _amounts(found.added),
        "needed": _amounts(found.needed),
    }


def _path_document(found: PathSummary | None) -> Document | None:
    if found is None:
        return None
    return {
        "paths": found.paths,
        "with_liquidations": found.with_liquidations,
        "liquidations": {str(address): count for address, count in sorted(found.liquidations.items())},
        "needed": _amounts(found.needed),
        "worst": plain(found.worst),
    }


def _amounts(amounts: Mapping[str, Decimal]) -> dict[str, str]:
    return {asset: plain(amount) for asset, amount in sorted(amounts.items())}
