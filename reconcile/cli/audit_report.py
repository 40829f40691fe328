"""``reconcile audit report``: the journals as one HTML page."""

import click

from reconcile.audit import run_log
from reconcile.audit.reporting import make_report
from reconcile.cli.audit_common import account_option, check_period, journals, since_option, until_option
from reconcile.cli.common import command, pass_session
from reconcile.cli.session import Invocation
from reconcile.clock import SystemClock
from reconcile.journal.identity import owner_of
from reconcile.render.common.json import dumps
from reconcile.render.common.values import rfc3339
from reconcile.render.report.html import page

FORMAT = "reconcile.audit.report/1"


@command("report", formats=("text", "json"))
@click.option("--html", metavar="FILE", required=True, help="The file to write the page to.")
@account_option
@since_option
@until_option
@pass_session
def report_(session: Invocation, *, html: str, account: str | None, since: int | None, until: int | None) -> int:
    """Write one self-contained page: margin against declared, movements, what is open, and whether the chain holds.

    The page needs no network and no script, prints well, and follows the reader's light or dark.

    \b
    Exit codes: 0 written, 1 a chain is broken (the page says so and is
                written all the same), or an error.
    Example:    reconcile audit report --html margin.html --since 30d
    """
    session.check_files(html)
    check_period(since, until)
    now_ms = SystemClock().wall_ms()
    made = make_report(
        journals(session), run_log.Filter(account=account, since_ms=since, until_ms=until), now_ms=now_ms
    )
    written = session.save(html, page(made))
    facts = {
        "format": FORMAT,
        "html": html,
        "accounts": [each.account for each in made.accounts],
        "at": rfc3339(now_ms),
    }
    count = len({owner_of(each.identity) for each in made.accounts})  # its notes are no account of their own
    shown = session.emit(
        {
            "text": lambda: f"{html}: {count} account{'' if count == 1 else 's'}\n",
            "json": lambda: dumps(facts),
        }
    )
    return max(written, shown, int(not all(each.verdict.is_good for each in made.accounts)))
