"""The status of accounts as text, JSON and Markdown: unsettled steps, since when, and the holder of the lock."""

from collections.abc import Mapping, Sequence

from reconcile.model.holds import UNSETTLED, Hold, held_by
from reconcile.model.status import AccountStatus, OpenStep
from reconcile.money import plain
from reconcile.render.common import advice
from reconcile.render.common.columns import fit
from reconcile.render.common.holder import holder_text
from reconcile.render.common.json import Document, error_list
from reconcile.render.common.markdown import code, quote
from reconcile.render.common.values import clean, rfc3339, signed_text

STATUS_FORMAT = "reconcile.status/1"
_UNKNOWN_YET = "in_flight"
"""An intent without an outcome: a run is sending it now, or ended before it knew."""


def document(accounts: Sequence[AccountStatus]) -> Document:
    """``reconcile.status/1``."""
    return {
        "format": STATUS_FORMAT,
        "accounts": [
            {
                "account": account.account,
                "exit_code": account.exit_code,
                "errors": error_list(account.errors),
                "lock": None if account.lock is None else dict(account.lock),
                "unsettled": [_document(step) for step in account.unsettled],
                "held": [str(address) for address in account.held],
                "journal_head": account.journal_head,
                "frozen": account.frozen,
            }
            for account in accounts
        ],
    }


def _document(step: OpenStep) -> Document:
    return {
        "address": str(step.address),
        "outcome": step.outcome or _UNKNOWN_YET,
        "amount": None if step.amount is None else plain(step.amount),
        "action": step.action,
        "since": step.since,
        "resolvable_at": rfc3339(step.resolvable_at_ms),
        "evidence": step.evidence,
        "held_by": held_by(step.outcome),
        "held_until": None,
    }


def text(accounts: Sequence[AccountStatus], *, columns: int | None = None) -> str:
    """For a person; the last line says whether anything needs one."""
    lines = [line for account in accounts for line in _account(account)]
    lines += filter(None, [advice.line(code for account in accounts for code in _codes(account))])
    count = sum(len(account.unsettled) for account in accounts)
    if count:
        lines.append(
            f"{count} unsettled. The next apply looks again by itself; what it cannot tell, a person settles with "
            "'reconcile resolve ACCOUNT:ADDRESS --as applied|not-applied --reason TEXT'."
        )
    elif any(account.errors for account in accounts):
        lines.append("Not every account could be read; see above.")
    else:
        lines.append("Nothing is unsettled.")
    return fit("\n".join(lines), columns) + "\n"


def _codes(account: AccountStatus) -> list[str]:
    """The codes of an account that have a page in the runbook."""
    found = [step.outcome or advice.held(Hold(by=UNSETTLED, reason="")) for step in account.unsettled]
    found += ["frozen"] if account.frozen is not None else []
    return found + [error.key for error in account.errors]


def _account(account: AccountStatus) -> list[str]:
    lines = [clean(f"{account.account}: {_lock(account.lock)}")]
    if account.frozen is not None:
        lines.append(clean(f"  ! frozen: {account.frozen}; every apply of this account is refused"))
    lines += [clean(f"  ! {error.key}: {error.message}") for error in account.errors]
    for step in account.unsettled:
        evidence = f"; {step.evidence}" if step.evidence else ""
        lines.append(
            clean(
                f"  ? {step.address} {_what(step)} {step.outcome or 'has no outcome yet'} "
                f"since {step.since}; may be resolved from {rfc3339(step.resolvable_at_ms)}{evidence}"
            )
        )
    if account.held:
        lines.append(clean(f"  held, nothing is sent to: {', '.join(map(str, account.held))}"))
    if account.journal_head:
        lines.append(clean(f"  journal head {account.journal_head}"))
    return lines


def _what(step: OpenStep) -> str:
    if step.amount is None:
        return step.action
    amount = -step.amount if step.action == "reduce_margin" else step.amount
    return f"{signed_text(amount)} {step.asset or ''}".rstrip()


def _lock(holder: Mapping[str, str] | None) -> str:
    if holder is None:
        return "the lock is free"
    return f"locked by {holder_text(holder)}"


def markdown(accounts: Sequence[AccountStatus]) -> str:
    """A table of what is unsettled, under one line for each account."""
    lines = ["### Margin status", ""]
    for account in accounts:
        frozen = f" **Frozen:** {quote(account.frozen)}." if account.frozen is not None else ""
        lines.append(f"- {code(account.account)}: {quote(_lock(account.lock))}.{frozen}")
        lines += [f"  - ❌ {code(error.key)}: {quote(error.message)}" for error in account.errors]
        if account.held:
            lines.append(f"  - ❓ held, nothing is sent to: {', '.join(code(str(each)) for each in account.held)}")
    rows = [(account.account, step) for account in accounts for step in account.unsettled]
    if rows:
        lines += ["", "| Account | Address | Step | Outcome | Since | Resolvable from |", "|-|-|-:|-|-|-|"]
    for name, step in rows:
        cells = [code(name), code(str(step.address)), quote(_what(step)), step.outcome or _UNKNOWN_YET]
        lines.append(f"| {' | '.join(cells)} | {quote(step.since)} | {rfc3339(step.resolvable_at_ms)} |")
    return "\n".join(lines) + "\n"
