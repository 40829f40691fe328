"""``reconcile show``: a saved plan, from its file alone; no journal, no keys, no network."""

import sys
from typing import Any

import click

from reconcile.cli import saved_plan, state_files
from reconcile.cli.common import command, pass_session
from reconcile.cli.files import read_if_plan
from reconcile.cli.session import Invocation
from reconcile.clock import SystemClock
from reconcile.errors import InputError
from reconcile.model.jsontext import loads_whole
from reconcile.render.common.json import dumps
from reconcile.render.plan import show as render


@command("show", formats=("text", "json", "markdown"))
@click.argument("plan", metavar="PLAN", type=click.Path())
@click.option("--digest", metavar="DIGEST", help="It must be the plan with this digest.")
@pass_session
def show(session: Invocation, *, plan: str, digest: str | None) -> int:
    """Show a saved plan from its file: changes, digest, expiry, scope, and the command that goes on.

    Needs no keys and no network. Whether the plan was applied already is in the journal: 'reconcile audit log'.

    \b
    Exit codes: 0 shown (an expired plan too; it says so),
                1 it cannot be read or is no plan,
                4 it was changed after it was saved, or has another digest.
    Example:    reconcile show plan.json
    """
    session.check_files()
    doing = f"showing {plan}"
    found = read_if_plan(plan)
    if found is None:
        raise InputError(f"{doing}: no saved plan is there; name a file that 'reconcile plan --out FILE' wrote")
    saved = saved_plan.load(found, digest=digest, doing=doing)
    whole: Any = loads_whole(found)
    shown = render.SavedPlanView(file=plan, saved=saved, whole=whole, now_ms=SystemClock().wall_ms())
    return session.emit(
        {
            "text": lambda: render.text(shown, titles=state_files.TITLES, **session.look_of(sys.stdout)),
            "json": lambda: dumps(render.document(shown)),
            "markdown": lambda: render.markdown_page(shown, titles=state_files.TITLES),
        }
    )
