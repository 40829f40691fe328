"""``reconcile audit movements``: every movement of margin, ours or not, for an auditor's own tools."""

import click

from reconcile.audit import run_log
from reconcile.audit.exporting import CAUSES, export
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
from reconcile.cli.session import Invocation
from reconcile.render.audit.movements import movements_csv, movements_document, movements_markdown, movements_text
from reconcile.render.common.json import dumps


@command("movements", formats=(*FORMATS, "csv"))
@account_option
@address_option
@actor_option
@since_option
@until_option
@click.option("--cause", type=click.Choice(CAUSES), multiple=True, help="Only these causes. Repeatable.")
@pass_session
def movements(
    session: Invocation,
    *,
    account: str | None,
    address: str | None,
    actor: str | None,
    since: int | None,
    until: int | None,
    cause: tuple[str, ...],
) -> int:
    """Show every movement of margin, ours or not, with its cause; then totals by cause, actor and asset.

    Ours ('reconcile') have the actor, commit, plan and digest of the run that sent them; the others the run that
    noticed them. CSV begins with a byte order mark, and no cell of it is a formula.

    \b
    Exit codes: 0 shown, 1 a journal cannot be read or is broken (what stands
                before the break is shown), there is no journal, or no run
                has such an account, actor or address.
    Example:    reconcile audit movements --since 30d --format csv=movements.csv
    """
    session.check_files()
    check_period(since, until)
    wanted = run_log.Filter(account=account, address=address, actor=actor, since_ms=since, until_ms=until)
    with Breaks(session) as breaks:
        found = export(journals(session), wanted, causes=frozenset(cause), on_break=breaks.add)
    code = session.emit(
        {
            "text": lambda: movements_text(found),
            "json": lambda: dumps(movements_document(found)),
            "markdown": lambda: movements_markdown(found),
            "csv": lambda: movements_csv(found),
        }
    )
    return max(code, breaks.code)
