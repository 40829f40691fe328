"""``reconcile audit``: who moved how much margin, when, why; and whether the journals that say so can be trusted.

Everything but ``diff RUN live`` reads journals and nothing else: no keys, no network, no lock.
"""

import click

from reconcile.cli.audit_chain import head, verify_
from reconcile.cli.audit_movements import movements
from reconcile.cli.audit_report import report_
from reconcile.cli.audit_runs import diff, log, show
from reconcile.cli.audit_views import views
from reconcile.cli.common import Section


@click.group("audit", cls=Section)
def audit() -> None:
    """Who moved how much margin, when, why; and whether the journals can be trusted.

    Reads the journals of this home, or of --journal. ACCOUNT is the name in a state file, or the journal's own name.
    """


for _command in (log, movements, show, diff, head, verify_, report_, views):
    audit.add_command(_command)
