"""Drift as text, JSON, Markdown and annotations; and the same words as the reason of a change in a plan.

A line reads ``BTCUSDT.long −14.2 USDT: funding −4.2, manual −10 at 09:14``; times of day are UTC.
"""

from collections.abc import Sequence
from decimal import Decimal

from reconcile.model.drift import AccountDrift, Drift, NotCompared, Share
from reconcile.money import plain
from reconcile.render.common import advice
from reconcile.render.common.columns import fit
from reconcile.render.common.github import Annotation, Place, shown
from reconcile.render.common.json import Document, error_list, held_fields
from reconcile.render.common.markdown import code, quote
from reconcile.render.common.page import Page
from reconcile.render.common.values import clean, rfc3339, signed_text

DRIFT_FORMAT = "reconcile.drift/1"
_UNTIMED = {"funding", "unexplained"}
"""Causes that come in many rows, or in none: a time would say nothing."""


def moved(drift: Decimal, causes: Sequence[Share], *, now_ms: int | None) -> str:
    """``−14.2: funding −4.2, manual −10 at 09:14``; a cause of another day than ``now_ms`` has its date."""
    shown = ", ".join(_share(share, now_ms) for share in causes)
    return f"{signed_text(drift)}: {shown}" if shown else signed_text(drift)


def redeclared(before: Decimal, after: Decimal) -> str:
    """``declared 1200 → 1500``."""
    return f"declared {plain(before)} → {plain(after)}"


def _share(share: Share, now_ms: int | None) -> str:
    text = f"{share.cause} {signed_text(share.amount)}"
    if share.at_ms is None or share.cause in _UNTIMED:
        return text
    at = rfc3339(share.at_ms)
    day = "" if now_ms is not None and rfc3339(now_ms)[:10] == at[:10] else f"{at[:10]} "
    return f"{text} at {day}{at[11:16]}"


def document(accounts: Sequence[AccountDrift]) -> Document:
    """``reconcile.drift/1``."""
    return {
        "format": DRIFT_FORMAT,
        "accounts": [
            {
                "account": account.account,
                "exit_code": account.exit_code,
                "errors": error_list(account.errors),
                "observed_at": None if account.observed_wall_ms is None else rfc3339(account.observed_wall_ms),
                "entries": [_document(entry) for entry in account.entries],
                "not_compared": [_missing(each) for each in account.not_compared],
            }
            for account in accounts
        ],
    }


def _document(entry: Drift) -> Document:
    return {
        "address": str(entry.address),
        "asset": entry.asset,
        "baseline": entry.baseline,
        "expected": plain(entry.expected),
        "observed": plain(entry.observed),
        "drift": plain(entry.drift),
        "tolerance": plain(entry.tolerance),
        "beyond_tolerance": entry.is_beyond,
        "held": None if entry.held is None else entry.held.reason,
        **held_fields(entry.held),
        "left_band": entry.left_band or None,
        "causes": [_cause(share) for share in entry.causes],
    }


def _missing(entry: NotCompared) -> Document:
    return {
        "address": str(entry.address),
        "blocked_by": entry.blocked_by,
        "reason": entry.reason,
        "held": None if entry.held is None else entry.held.reason,
        **held_fields(entry.held),
    }


def _cause(share: Share) -> Document:
    found: Document = {"cause": share.cause, "amount": plain(share.amount)}
    if share.at_ms is not None and share.cause not in _UNTIMED:
        found["at"] = rfc3339(share.at_ms)
    return found


def text(accounts: Sequence[AccountDrift], *, columns: int | None = None) -> str:
    """For a person: one line per address that moved, what is beyond its tolerance first; the last line sums up."""
    lines = [line for account in accounts for line in _account(account)]
    more = advice.line(code for account in accounts for code in _codes(account))
    return fit("\n".join([*lines, *filter(None, [more]), summary(accounts)]), columns) + "\n"


def _codes(account: AccountDrift) -> list[str]:
    """The codes of an account that have a page in the runbook."""
    found = [error.key for error in account.errors]
    found += [each.blocked_by for each in account.not_compared if each.blocked_by is not None]
    return [*found, *(advice.held(hold) for hold in account.holds)]


def _account(account: AccountDrift) -> list[str]:
    lines = [clean(account.account)]
    lines += [clean(f"  ! {error.key}: {error.message}") for error in account.errors]
    lines += [clean(f"  {each.address} {_why(each)}") for each in account.not_compared]
    for entry in _held(account.entries):
        lines.append(clean(f"  {entry.address} {_doubt(entry, account.observed_wall_ms)}"))
    for entry in _by_attention(account.entries):
        inside = (
            ""
            if abs(entry.drift) > entry.tolerance or not entry.drift
            else f"  (within the tolerance of {plain(entry.tolerance)})"
        )
        lines.append(f"  {_line(entry, account.observed_wall_ms)}{inside}{_remarks(entry, '  ')}")
    quiet = _quiet(account.entries)
    if quiet:
        lines.append(f"  {quiet} not moved")
    return lines


def _doubt(entry: Drift, now_ms: int | None) -> str:
    """``held: the margin reads … (read −14.2 USDT)``; ``unknown`` where the doubt is about a call of ours."""
    if entry.held is None:
        return ""
    return f"{entry.held.word}: {entry.held.reason} ({_as_read(entry, now_ms)})"


def _why(entry: NotCompared) -> str:
    """``blocked by instrument: OLDUSDT is not one of …`` or ``not compared: …``, and what holds it besides."""
    held = f"; held: {entry.held.reason}" if entry.held is not None else ""
    what = "not compared" if entry.blocked_by is None else f"blocked by {entry.blocked_by}"
    return f"{what}: {entry.reason}{held}"


def _line(entry: Drift, now_ms: int | None) -> str:
    """``BTCUSDT.long −14.2 USDT: funding −4.2, manual −10 at 09:14``."""
    amount, colon, causes = moved(entry.drift, entry.causes, now_ms=now_ms).partition(":")
    return clean(f"{entry.address} {amount} {entry.asset}{colon}{causes}")


def _remarks(entry: Drift, space: str) -> str:
    """Further remarks: how the band was left, and that there is nothing of ours to compare with."""
    left = f"{space}({entry.left_band})" if entry.left_band else ""
    never = f"{space}(never applied: compared with what is declared)" if entry.baseline != "applied" else ""
    return left + never


def _as_read(entry: Drift, now_ms: int | None) -> str:
    """``read −14.20 USDT: funding −4.20``: what a reading shows that may be an old one."""
    amount, colon, causes = moved(entry.drift, entry.causes, now_ms=now_ms).partition(":")
    return f"read {amount} {entry.asset}{colon}{causes}"


def _held(entries: Sequence[Drift]) -> list[Drift]:
    return [entry for entry in entries if entry.held is not None]


def _quiet(entries: Sequence[Drift]) -> int:
    return sum(1 for entry in entries if entry.drift == 0 and not entry.left_band and entry.held is None)


def _by_attention(entries: Sequence[Drift]) -> list[Drift]:
    known = (entry for entry in entries if (entry.drift != 0 or entry.left_band) and entry.held is None)
    return sorted(known, key=lambda entry: not entry.is_beyond)


def summary(accounts: Sequence[AccountDrift]) -> str:
    """One line: how many drifted, how many did not, and of how many a call or a reading is in doubt."""
    entries = [entry for account in accounts for entry in account.entries]
    beyond = sum(1 for entry in entries if entry.is_beyond and abs(entry.drift) > entry.tolerance)
    left = sum(1 for entry in entries if entry.is_beyond and entry.left_band)
    left_out = [each for account in accounts for each in account.not_compared]
    doubts = [entry.held for entry in entries] + [each.held for each in left_out if each.blocked_by is None]
    holds = [hold.is_unknown for hold in doubts if hold is not None]
    unknown, held = holds.count(True), holds.count(False)
    blocked = sum(1 for each in left_out if each.blocked_by is not None)
    without = sum(1 for each in left_out if each.blocked_by is None and each.held is None)
    failed = sum(1 for account in accounts if account.errors)
    parts = [f"{failed} account{'s' if failed > 1 else ''} could not be read"] if failed else []
    parts += [f"{blocked} blocked"] if blocked else []
    compared = len(entries) - len(_held(entries))
    parts += [f"{unknown} unknown"] if unknown else []
    parts += [f"{held} held"] if held else []
    if beyond or compared or not (failed or blocked or holds or without):
        parts.append(f"{beyond} drifted beyond tolerance" if beyond else "no drift beyond tolerance")
    parts += [f"{left} outside {'their bands' if left > 1 else 'its band'}"] if left else []
    if entries or without or not (failed or blocked):
        parts.append(f"{compared} compared")
    parts += [f"{without} with nothing to compare"] if without else []
    return f"Drift: {', '.join(parts)} (times are UTC)."


def markdown(accounts: Sequence[AccountDrift]) -> str:
    """A table per account of what moved, under one line that sums up."""
    page = Page()
    page.add(f"### {quote(summary(accounts))}")
    for account in accounts:
        page.add("", f"**{quote(account.account)}** ({code(account.state_file)})", "")
        for error in account.errors:
            page.add(f"> ❌ {code(error.key)}: {quote(error.message[:2000])}", ">")
        if account.errors:
            page.add("")
        shown = [*_held(account.entries), *_by_attention(account.entries)]
        rows = [_row_left_out(each) for each in account.not_compared]
        rows += [_row(entry, account.observed_wall_ms) for entry in shown]
        page.table("| | Address | Expected | Observed | Drift | Causes |\n|-|-|-:|-:|-:|-|", rows)
        quiet = _quiet(account.entries)
        if quiet:
            page.add("", f"{quiet} not moved.")
    return page.finish([])


def _row_left_out(each: NotCompared) -> str:
    mark = "⛔" if each.blocked_by is not None else "❓" if each.held is not None else ""
    return f"| {mark} | {code(str(each.address))} | | | | {quote(_why(each))} |"


def _row(entry: Drift, now_ms: int | None) -> str:
    if entry.held is not None:
        cells = ["❓", code(str(entry.address)), plain(entry.expected), plain(entry.observed), entry.held.word]
        return f"| {' | '.join(cells)} | {quote(f'{entry.held.reason} ({_as_read(entry, now_ms)})')} |"
    amount, _, causes = moved(entry.drift, entry.causes, now_ms=now_ms).partition(":")
    mark = "⚠️" if entry.is_beyond else ""
    never = _remarks(entry, " ")
    cells = [mark, code(str(entry.address)), plain(entry.expected), plain(entry.observed)]
    return f"| {' | '.join(cells)} | **{quote(amount)}** {quote(entry.asset)} | {quote(causes.strip() + never)} |"


def github(accounts: Sequence[AccountDrift], *, place: Place = str) -> str:
    """A warning on the line of every position that drifted beyond its tolerance, or of which that is not known.
    Positions of which the exchange shows nothing usable get one too; an account that was not read gets an error.
    ``place`` as for ``shown``."""
    listed = [
        Annotation(file=account.state_file, title=error.key, message=error.message)
        for account in accounts
        for error in account.errors
    ]
    listed += [
        Annotation(
            file=account.state_file, line=each.line, title=str(each.address), message=_why(each), level="warning"
        )
        for account in accounts
        for each in account.not_compared
        if each.blocked_by is not None or each.held is not None
    ]
    listed += [
        Annotation(
            file=account.state_file,
            line=entry.line,
            title=str(entry.address),
            message=_annotated(entry, account.observed_wall_ms),
            level="warning",
        )
        for account in accounts
        for entry in account.entries
        if entry.is_beyond or entry.held is not None
    ]
    return shown(listed, place=place)


def _annotated(entry: Drift, now_ms: int | None) -> str:
    if entry.held is not None:
        return _doubt(entry, now_ms)
    return f"drifted {moved(entry.drift, entry.causes, now_ms=now_ms)}{_remarks(entry, ' ')}"
