"""``reconcile drift``: what moved since the last apply, and why. Sends nothing: its wire cannot."""

import sys

import click

from reconcile.cli import state_files
from reconcile.cli.commit import place_of
from reconcile.cli.common import command, parallelism, pass_session, paths
from reconcile.cli.runner import conduct
from reconcile.cli.session import Invocation
from reconcile.planning.order import worst
from reconcile.render import drift as render
from reconcile.render.common.json import dumps
from reconcile.usecases import drift as usecase


@command("drift", formats=("text", "json", "markdown", "github"))
@paths
@click.option(
    "--detailed-exitcode",
    is_flag=True,
    help="Exit 2 when an account drifted beyond its tolerance, 3 and 5 as the entries say.",
)
@parallelism
@pass_session
def drift(session: Invocation, *, paths: tuple[str, ...], detailed_exitcode: bool, parallelism: int) -> int:
    """Show what moved since the last apply, and why; sends nothing.

    Each declared position is compared with what was last applied, whatever the file says by now; where nothing ever
    was, with what is declared. The causes come from the exchange's own ledger: funding, fills, manual (a person or
    another program) and automatic. Margin that came or went with a position is opened, closed or resized. What is left
    is unexplained.

    \b
    Exit codes: 0 the command worked, 1 an account could not be read, 3 an
                entry names no instrument of the exchange.
                With --detailed-exitcode also 3 what the exchange shows of an
                entry cannot be used or may predate our last step, 2 an
                account drifted beyond its tolerance, 5 the outcome of a call
                is unknown.
    Example:    reconcile drift states/ --detailed-exitcode --format github
    """
    session.check_files()
    accounts, _ = state_files.load(paths)
    found = conduct(
        session,
        lambda world: usecase.drift(world, accounts),
        sends=False,
        parallelism=parallelism,
        doing=f"reading {state_files.counted(accounts)}",
    )
    written = session.emit(
        {
            "text": lambda: render.text(found, columns=session.look_of(sys.stdout)["columns"]),
            "json": lambda: dumps(render.document(found)),
            "markdown": lambda: render.markdown(found),
            "github": lambda: render.github(found, place=place_of),
        }
    )
    return worst([written, *(usecase.exit_code(account, detailed=detailed_exitcode) for account in found)])
