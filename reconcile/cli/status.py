"""``reconcile status``: what is unsettled and who holds the lock. Reads only."""

import sys

import click

from reconcile.cli import state_files
from reconcile.cli.common import command, pass_session, paths
from reconcile.cli.runner import conduct
from reconcile.cli.session import Invocation
from reconcile.planning.order import worst
from reconcile.render import status as render
from reconcile.render.common.json import dumps
from reconcile.usecases import status as usecase


@command("status", formats=("text", "json", "markdown"))
@paths
@click.option("--detailed-exitcode", is_flag=True, help="Exit 5 or 3 while a step is unsettled.")
@pass_session
def status(session: Invocation, *, paths: tuple[str, ...], detailed_exitcode: bool) -> int:
    """Show unsettled steps and who holds the lock.

    An unsettled step is one without a known outcome. The next apply looks again by itself; what stays unknown a
    person settles with 'reconcile resolve'. Positions are not read, so an address that a reading in doubt holds is not
    shown here: 'reconcile plan' and 'reconcile drift' show it.

    \b
    Exit codes: 0 every account could be read, 1 one could not.
                With --detailed-exitcode also 5 a step has no known outcome and
                its address is held, 3 the exchange said yes to it and it is
                not seen yet.
    Example:    reconcile status states/ --detailed-exitcode
    """
    session.check_files()
    accounts, _ = state_files.load(paths)
    found = conduct(
        session,
        lambda world: usecase.status(world, accounts),
        sends=False,
        doing=f"asking after {state_files.counted(accounts)}",
    )
    written = session.emit(
        {
            "text": lambda: render.text(found, columns=session.look_of(sys.stdout)["columns"]),
            "json": lambda: dumps(render.document(found)),
            "markdown": lambda: render.markdown(found),
        }
    )
    held = [5 if account.is_unknown else 3 for account in found if detailed_exitcode and account.held]
    return worst([written, *held, *(account.exit_code for account in found)])
