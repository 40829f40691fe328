"""How accounts stand, as text, JSON and Markdown: what is unsettled, since when, who holds the lock.

The shapes below are what this module needs of a status; the conduct layer's values have them.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Protocol

from reconcile.model.account import Address
from reconcile.model.plan import PlanError
from reconcile.money import plain
from reconcile.render import json
from reconcile.render.columns import fit
from reconcile.render.markdown import code, quote
from reconcile.render.values import change, clean, rfc3339


class _Intent(Protocol):
    @property
    def address(self) -> Address: ...
    @property
    def action(self) -> str: ...
    @property
    def asset(self) -> str | None: ...
    @property
    def amount(self) -> Decimal | None: ...


class _Item(Protocol):
    @property
    def intent(self) -> _Intent: ...
    @property
    def known(self) -> str | None: ...
    @property
    def evidence(self) -> str: ...
    @property
    def since(self) -> str: ...


class OpenStep(Protocol):
    """One unsettled step; ``resolvable_at_ms`` is exchange time."""

    @property
    def item(self) -> _Item:
        """What the journal knows of it; ``known`` None means that no outcome was written."""
        ...

    @property
    def resolvable_at_ms(self) -> int:
        """From when a person may resolve it."""
        ...


class Standing(Protocol):
    """One account's status."""

    @property
    def account(self) -> str:
        """Its name."""
        ...

    @property
    def lock(self) -> Mapping[str, str] | None:
        """Who holds it, None when it is free."""
        ...

    @property
    def unsettled(self) -> Sequence[OpenStep]:
        """What is open."""
        ...

    @property
    def journal_head(self) -> str | None:
        """The hash that pins the journal."""
        ...

    @property
    def frozen(self) -> str | None:
        """Why applies are refused, None when they are not."""
        ...

    @property
    def errors(self) -> Sequence[PlanError]:
        """Why it could not be told."""
        ...

    @property
    def exit_code(self) -> int:
        """0, or what the errors are worth."""
        ...


_UNKNOWN_YET = "in_flight"
"""An intent without an outcome: a run is sending it now, or ended before it knew."""


def document(accounts: Sequence[Standing]) -> json.Document:
    """``reconcile.status/1``."""
    return {
        "format": json.STATUS_FORMAT,
        "accounts": [
            {
                "account": account.account,
                "exit_code": account.exit_code,
                "errors": json.errors(account.errors),
                "lock": None if account.lock is None else dict(account.lock),
                "unsettled": [_document(step) for step in account.unsettled],
                "journal_head": account.journal_head,
                "frozen": account.frozen,
            }
            for account in accounts
        ],
    }


def _document(step: OpenStep) -> json.Document:
    intent = step.item.intent
    return {
        "address": str(intent.address),
        "outcome": step.item.known or _UNKNOWN_YET,
        "amount": None if intent.amount is None else plain(intent.amount),
        "action": intent.action,
        "since": step.item.since,
        "resolvable_at": rfc3339(step.resolvable_at_ms),
        "evidence": step.item.evidence,
    }


def text(accounts: Sequence[Standing], *, columns: int | None = None) -> str:
    """For a person; the last line says whether anything needs one."""
    lines = [line for account in accounts for line in _account(account)]
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


def _account(account: Standing) -> list[str]:
    lines = [clean(f"{account.account}: {_lock(account.lock)}")]
    if account.frozen is not None:
        lines.append(clean(f"  ! frozen: {account.frozen}; every apply of this account is refused"))
    lines += [clean(f"  ! {error.key}: {error.message}") for error in account.errors]
    for step in account.unsettled:
        evidence = f"; {step.item.evidence}" if step.item.evidence else ""
        lines.append(
            clean(
                f"  ? {step.item.intent.address} {_what(step)} {step.item.known or 'has no outcome yet'} "
                f"since {step.item.since}; may be resolved from {rfc3339(step.resolvable_at_ms)}{evidence}"
            )
        )
    if account.journal_head:
        lines.append(clean(f"  journal head {account.journal_head}"))
    return lines


def _what(step: OpenStep) -> str:
    intent = step.item.intent
    if intent.amount is None:
        return intent.action
    amount = -intent.amount if intent.action == "reduce_margin" else intent.amount
    return f"{change(amount)} {intent.asset or ''}".rstrip()


def _lock(holder: Mapping[str, str] | None) -> str:
    if holder is None:
        return "nobody holds the lock"
    return f"locked by {', '.join(f'{name} {value}' for name, value in sorted(holder.items()))}"


def markdown(accounts: Sequence[Standing]) -> str:
    """A table of what is unsettled, under one line for each account."""
    lines = ["### Margin status", ""]
    for account in accounts:
        frozen = f" **Frozen:** {quote(account.frozen)}." if account.frozen is not None else ""
        lines.append(f"- {code(account.account)}: {quote(_lock(account.lock))}.{frozen}")
        lines += [f"  - ❌ {code(error.key)}: {quote(error.message)}" for error in account.errors]
    rows = [(account.account, step) for account in accounts for step in account.unsettled]
    if rows:
        lines += ["", "| Account | Address | Step | Outcome | Since | Resolvable from |", "|-|-|-:|-|-|-|"]
    for name, step in rows:
        cells = [code(name), code(str(step.item.intent.address)), quote(_what(step)), step.item.known or _UNKNOWN_YET]
        lines.append(f"| {' | '.join(cells)} | {quote(step.item.since)} | {rfc3339(step.resolvable_at_ms)} |")
    return "\n".join(lines) + "\n"
