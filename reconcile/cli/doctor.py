"""``reconcile doctor``: would an apply work here, and what to do where it would not. Reads only."""

import os
import sys

import click

from reconcile.cli import state_files
from reconcile.cli.common import command, pass_session
from reconcile.cli.runner import conduct
from reconcile.cli.session import Invocation
from reconcile.cli.world import home_of
from reconcile.planning.order import worst
from reconcile.render import doctor as render
from reconcile.render.common.json import dumps
from reconcile.usecases import doctor as usecase


@command("doctor", formats=("text", "json"))
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path())
@pass_session
def doctor(session: Invocation, *, paths: tuple[str, ...]) -> int:
    """Check clock, network, key, modes, journal and lock; say what to do.

    Reads only: no plan is made and nothing can be sent. Each check is one line. Without PATH it checks this runner
    alone, and verifies every journal that is kept here.

    \b
    Exit codes: 0 nothing stands in the way of an apply (there may be warnings),
                1 credentials, exchange or journal fail,
                3 a mode of the account blocks its isolated targets,
                4 an apply would be refused: frozen, another account or
                position mode,
                5 a step has no known outcome and its address is held.
    Example:    reconcile doctor states/
    """
    session.check_files()
    accounts = state_files.load(paths)[0] if paths else ()
    found = conduct(
        session,
        lambda world: usecase.doctor(world, accounts, journals=_journals(session)),
        sends=False,
        doing=f"checking {state_files.counted(accounts) if accounts else 'this runner'}",
    )
    code_of = {each.desired.name: worst([check.exit_code for check in each.checks]) for each in found.accounts}
    code = worst([*(check.exit_code for check in found.runner), *code_of.values()])
    written = session.emit(
        {
            "text": lambda: render.text(found, titles=state_files.TITLES, **session.look_of(sys.stdout)),
            "json": lambda: dumps(render.document(found, exit_code=code, code_of=code_of)),
        }
    )
    return worst([written, code])


def _journals(session: Invocation) -> str:
    """The place of the journals, without a password."""
    if not session.journal:
        return str(home_of(session, os.environ) / "journal")
    from reconcile.journal.postgres.url import place_of  # noqa: PLC0415 - only a shared journal needs psycopg

    return f"PostgreSQL {place_of(session.journal).shown}"
