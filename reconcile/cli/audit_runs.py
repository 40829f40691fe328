"""``reconcile audit log``, ``show`` and ``diff``: what runs did."""

import click

from reconcile.audit import run_log
from reconcile.audit.comparing import compare
from reconcile.cli.audit_common import (
    FORMATS,
    Breaks,
    account_option,
    actor_option,
    address_option,
    check_period,
    journals,
    since_option,
    until_option,
)
from reconcile.cli.common import command, pass_session
from reconcile.cli.runner import conduct
from reconcile.cli.session import Invocation
from reconcile.render.audit.diff import diff_document, diff_markdown, diff_text
from reconcile.render.audit.log import log_csv, log_document, log_markdown, log_text
from reconcile.render.audit.run import run_document, run_markdown, run_text
from reconcile.render.common.json import dumps
from reconcile.usecases.audit_live import LIVE, compare_with_live


@command("log", formats=(*FORMATS, "csv"))
@account_option
@address_option
@actor_option
@since_option
@until_option
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

    OUTCOME is applied, accepted, refused, unknown, not_sent, not_applied, released or in_flight for a step; in_sync,
    nothing_sent, refused:KEY, error, interrupted or cut_off for a run that sent nothing; decided for a watch;
    frozen or unfrozen for the brake.

    \b
    Exit codes: 0 shown, 1 a journal cannot be read or is broken (what stands
                before the break is shown), there is no journal, or no run
                has such an account, actor, address or outcome.
    Example:    reconcile audit log --since 7d --address 'BTC*' --format csv
    """
    session.check_files()
    check_period(since, until)
    wanted = run_log.Filter(
        account=account, address=address, actor=actor, since_ms=since, until_ms=until, outcomes=frozenset(outcome)
    )
    with Breaks(session) as breaks:
        rows = run_log.log(journals(session), wanted, on_break=breaks.add)
    code = session.emit(
        {
            "text": lambda: log_text(rows),
            "json": lambda: dumps(log_document(rows)),
            "markdown": lambda: log_markdown(rows),
            "csv": lambda: log_csv(rows),
        }
    )
    return max(code, breaks.code)


@command("show", formats=FORMATS)
@click.argument("run_id", metavar="RUN")
@pass_session
def show(session: Invocation, run_id: str) -> int:
    """Show everything about one run: who, why, from what, each step with its answer and evidence.

    RUN is a run's id, or as much of its beginning as is unique.

    \b
    Exit codes: 0 shown, 1 there is no such run, or a journal cannot be read
                or is broken.
    Example:    reconcile audit show 5f0c
    """
    session.check_files()
    with Breaks(session) as breaks:
        found = run_log.find_runs(journals(session), run_id, on_break=breaks.add)
    code = session.emit(
        {
            "text": lambda: run_text(found),
            "json": lambda: dumps(run_document(found)),
            "markdown": lambda: run_markdown(found),
        }
    )
    return max(code, breaks.code)


@command("diff", formats=FORMATS)
@click.argument("start", metavar="RUN")
@click.argument("end", metavar="RUN|live")
@pass_session
def diff(session: Invocation, start: str, end: str) -> int:
    """Show what the account was after one run and after another, or is now, with every movement between.

    Two runs are compared from the journal alone. With 'live' the exchange is read, ledger included; nothing is sent.

    \b
    Exit codes: 0 shown, 1 there is no such run, something could not be read,
                or a journal is broken.
    Examples:   reconcile audit diff 5f0c 91aa
                reconcile audit diff 5f0c live
    """
    session.check_files()
    with Breaks(session) as breaks:
        if end == LIVE:
            found = conduct(
                session,
                lambda world: compare_with_live(world, start, on_break=breaks.add),
                sends=False,
                doing="reading the account",
            )
        else:
            found = compare(journals(session), start, end, on_break=breaks.add)
    code = session.emit(
        {
            "text": lambda: diff_text(found),
            "json": lambda: dumps(diff_document(found)),
            "markdown": lambda: diff_markdown(found),
        }
    )
    return max(code, breaks.code)
