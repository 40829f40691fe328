"""``reconcile audit views``: SQL views for an auditor who queries a shared journal."""

from reconcile.audit.views import SQL
from reconcile.cli.common import command, pass_session
from reconcile.cli.session import Invocation


@command("views", formats=("text",))
@pass_session
def views(session: Invocation) -> int:
    """Print the SQL views for a journal in PostgreSQL: runs, steps and movements.

    Run it once as the owner of the tables. The views read the journal's own records; nothing of it is changed.

    \b
    Exit codes: 0.
    Example:    reconcile audit views | psql "$RECONCILE_JOURNAL"
    """
    session.check_files()
    return session.emit({"text": lambda: SQL}, fits=False)
