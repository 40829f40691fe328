"""``reconcile audit``: who moved how much margin, when, why; and whether the journals that say so can be trusted.

Everything but ``diff RUN live`` reads journals and nothing else: no keys, no network, no lock.
"""

import os
import re
from typing import Any, Self

import click

from reconcile.audit import log as logs
from reconcile.audit.comparing import compare
from reconcile.audit.reporting import report as make_report
from reconcile.audit.verifying import heads, verify
from reconcile.cli.common import DurationType, Section, pass_session
from reconcile.cli.runner import conduct
from reconcile.cli.session import Invocation
from reconcile.cli.world import home_of, store_of
from reconcile.clock import SystemClock
from reconcile.errors import JournalError, UsageError
from reconcile.journal.base import Store
from reconcile.model.times import unix_ms
from reconcile.render import audit_chain, audit_diff, audit_log, audit_run, json, report
from reconcile.render.values import rfc3339
from reconcile.usecases.audit_live import LIVE, compare_with_live

FORMATS = ("text", "json", "markdown")
_HASH = re.compile(r"[0-9a-f]{64}")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@click.group("audit", cls=Section)
def audit() -> None:
    """Who moved how much margin, when, why; and whether the journals can be trusted.

    Reads the journals of this home, or of --journal. ACCOUNT is the name in a state file, or the journal's own name.
    """


class MomentType(DurationType):
    """``2026-01-31``, ``2026-01-31T12:00:00Z``, or a length of time ago."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Unix milliseconds."""
        text = str(value)
        if isinstance(value, int):
            return value
        if re.fullmatch(r"[0-9]{1,9}[smhd]", text):
            return SystemClock().wall_ms() - super().convert(value, param, ctx)
        try:
            return unix_ms(f"{text}T00:00:00Z" if _DAY.fullmatch(text) else text)
        except ValueError:
            self.fail(
                f"{text!r} is not a time; write 2026-01-31, 2026-01-31T12:00:00Z, or 7d for a week ago", param, ctx
            )


MOMENT = MomentType()
_account = click.option("--account", metavar="ACCOUNT", help="Only this account.")
_since = click.option("--since", type=MOMENT, help="From then on; a date, a time, or 7d for a week ago.")
_until = click.option("--until", type=MOMENT, help="Before then.")


def _store(session: Invocation) -> Store:
    clock = SystemClock()
    return store_of(session, home_of(session, os.environ), clock)


class _Breaks:
    """Says which journals are broken once everything was read, also where reading ended in an error."""

    def __init__(self, session: Invocation) -> None:
        self.code = 0
        self._session = session
        self._found: list[JournalError] = []

    def add(self, error: JournalError) -> None:
        """One more journal."""
        self.code = 1
        self._found.append(error)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for error in self._found:
            self._session.warn(f"{error}; what stands before that is shown")


@audit.command("log", formats=(*FORMATS, "csv"))
@_account
@click.option("--address", metavar="GLOB", help="Only these addresses: SYMBOL.side with *.")
@click.option("--actor", metavar="GLOB", help="Only who is called so; with *.")
@_since
@_until
@click.option("--outcome", metavar="OUTCOME", multiple=True, help="Only these outcomes. Repeatable.")
@pass_session
def log(
    session: Invocation,
    *,
    account: str | None,
    address: str | None,
    actor: str | None,
    since: int | None,
    until: int | None,
    outcome: tuple[str, ...],
) -> int:
    """Show every step, refusal and decision, oldest first.

    \b
    OUTCOME is applied, accepted, refused, unknown, not_sent, not_applied, released or in_flight for a step; in_sync,
    nothing_sent, refused:KEY, error, interrupted or cut_off for a run that sent nothing; decided for a watch;
    frozen or unfrozen for the brake.
    Exit codes: 0 shown, 1 a journal cannot be read or is broken (what stands before the break is shown).
    Example:    reconcile audit log --since 7d --address 'BTC*' --format csv=moves.csv
    """
    session.check_files()
    wanted = logs.Filter(
        account=account, address=address, actor=actor, since_ms=since, until_ms=until, outcomes=frozenset(outcome)
    )
    with _Breaks(session) as breaks:
        rows = logs.log(_store(session), wanted, on_break=breaks.add)
    code = session.emit(
        {
            "text": lambda: audit_log.text(rows),
            "json": lambda: json.dumps(audit_log.document(rows)),
            "markdown": lambda: audit_log.markdown(rows),
            "csv": lambda: audit_log.as_csv(rows),
        }
    )
    return max(code, breaks.code)


@audit.command("show", formats=FORMATS)
@click.argument("run_id", metavar="RUN")
@pass_session
def show(session: Invocation, run_id: str) -> int:
    """Show everything about one run: who, why, from what, each step with its answer and evidence.

    \b
    RUN is a run's id, or as much of its beginning as is unique.
    Exit codes: 0 shown, 1 there is no such run, or a journal cannot be read or is broken.
    Example:    reconcile audit show 5f0c
    """
    session.check_files()
    with _Breaks(session) as breaks:
        found = logs.find_runs(_store(session), run_id, on_break=breaks.add)
    code = session.emit(
        {
            "text": lambda: audit_run.text(found),
            "json": lambda: json.dumps(audit_run.document(found)),
            "markdown": lambda: audit_run.markdown(found),
        }
    )
    return max(code, breaks.code)


@audit.command("diff", formats=FORMATS)
@click.argument("start", metavar="RUN")
@click.argument("end", metavar="RUN|live")
@pass_session
def diff(session: Invocation, start: str, end: str) -> int:
    """Show what the account was after one run and after another, or is now, with every movement between.

    \b
    Two runs are compared from the journal alone. With 'live' the exchange is read, ledger included; nothing is sent.
    Exit codes: 0 shown, 1 there is no such run, something could not be read, or a journal is broken.
    Examples:   reconcile audit diff 5f0c 91aa
                reconcile audit diff 5f0c live
    """
    session.check_files()
    with _Breaks(session) as breaks:
        if end == LIVE:
            found = conduct(
                session,
                lambda world: compare_with_live(world, start, on_break=breaks.add),
                sends=False,
                doing="reading the account",
            )
        else:
            found = compare(_store(session), start, end, on_break=breaks.add)
    code = session.emit(
        {
            "text": lambda: audit_diff.text(found),
            "json": lambda: json.dumps(audit_diff.document(found)),
            "markdown": lambda: audit_diff.markdown(found),
        }
    )
    return max(code, breaks.code)


@audit.command("head", formats=FORMATS)
@_account
@pass_session
def head(session: Invocation, account: str | None) -> int:
    """Show the hash that pins each journal, as ACCOUNT=HASH; keep it where this machine cannot change it.

    \b
    Exit codes: 0 shown, 1 a chain is broken.
    Example:    reconcile audit head > heads.txt
    """
    session.check_files()
    found = heads(_store(session))
    if account is not None:
        found = [verdict for verdict in found if account in {verdict.account, verdict.identity}]
        if not found:
            raise logs.no_such_account(account)
    for verdict in found:
        if not verdict.is_good:
            session.warn(verdict.message)
    code = session.emit(
        {
            "text": lambda: audit_chain.head_text(found),
            "json": lambda: json.dumps(audit_chain.document(found)),
            "markdown": lambda: audit_chain.markdown(found),
        }
    )
    return max(code, int(not all(verdict.is_good for verdict in found)))


@audit.command("verify", formats=FORMATS)
@click.option(
    "--head", "pinned", metavar="ACCOUNT=HASH", multiple=True, help="A head seen earlier must be there. Repeatable."
)
@pass_session
def verify_(session: Invocation, pinned: tuple[str, ...]) -> int:
    """Prove that no journal was changed; names the first bad line.

    Every record carries the hash of the one before it, so a record that was changed, dropped, inserted or moved is
    found. That the end was not cut off only a head can prove that was kept elsewhere.

    \b
    Exit codes: 0 every chain is good, 1 one is not.
    Example:    reconcile audit verify --head main=9f86d081...
    """
    session.check_files()
    found = verify(_store(session), _pins(pinned))
    code = session.emit(
        {
            "text": lambda: audit_chain.text(found),
            "json": lambda: json.dumps(audit_chain.document(found)),
            "markdown": lambda: audit_chain.markdown(found),
        }
    )
    return max(code, int(not all(verdict.is_good for verdict in found)))


def _pins(given: tuple[str, ...]) -> dict[str, str]:
    pins: dict[str, str] = {}
    for text in given:
        account, _, pinned = text.rpartition("=")
        if not account or not _HASH.fullmatch(pinned):
            raise UsageError(f"--head {text}: write ACCOUNT=HASH, with the 64 digits that 'audit head' shows")
        if pins.get(account, pinned) != pinned:
            raise UsageError(f"--head {account}: given twice with different hashes; name one")
        pins[account] = pinned
    return pins


@audit.command("report", formats=("text", "json"))
@click.option("--html", metavar="FILE", required=True, help="Where the page goes.")
@_account
@_since
@_until
@pass_session
def report_(session: Invocation, *, html: str, account: str | None, since: int | None, until: int | None) -> int:
    """Write one self-contained page: margin against declared, movements, what is open, and whether the chain holds.

    The page needs no network and no script, prints well, and follows the reader's light or dark.

    \b
    Exit codes: 0 written, 1 a chain is broken (the page says so and is written all the same), or an error.
    Example:    reconcile audit report --html margin.html --since 30d
    """
    session.check_files(html)
    now_ms = SystemClock().wall_ms()
    made = make_report(_store(session), logs.Filter(account=account, since_ms=since, until_ms=until), now_ms=now_ms)
    written = session.save(html, report.page(made))
    facts = {"html": html, "accounts": [each.account for each in made.accounts], "at": rfc3339(now_ms)}
    shown = session.emit(
        {
            "text": lambda: f"{html}: {len(made.accounts)} account{'' if len(made.accounts) == 1 else 's'}\n",
            "json": lambda: json.dumps(facts),
        }
    )
    return max(written, shown, int(not all(each.verdict.is_good for each in made.accounts)))
