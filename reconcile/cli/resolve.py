"""``reconcile resolve``: a outcome of a step that reconcile could not determine, as a person states it."""

import click

from reconcile.cli.common import command, pass_session
from reconcile.cli.runner import conduct
from reconcile.cli.session import Invocation
from reconcile.errors import UsageError
from reconcile.render.common.json import dumps
from reconcile.render.common.values import clean
from reconcile.usecases import status as usecase

FORMAT = "reconcile.resolve/1"


@command("resolve", formats=("text", "json"))
@click.argument("address", metavar="[ACCOUNT:]ADDRESS")
@click.option(
    "--as",
    "outcome",
    type=click.Choice(["applied", "not-applied"]),
    required=True,
    allow_from_autoenv=False,
    help="What you know to have happened on the exchange.",
)
@click.option("--reason", metavar="TEXT", required=True, help="How you know it; for the journal.")
@click.option(
    "--key-deleted",
    is_flag=True,
    allow_from_autoenv=False,
    help="The API key that signed the step is deleted at the exchange: the step cannot take effect any more.",
)
@pass_session
def resolve(session: Invocation, *, address: str, outcome: str, reason: str, key_deleted: bool) -> int:
    """Record the outcome of a step that reconcile could not determine.

    The step is found in the journals of this home. Nothing is sent to the account. The command is refused until the
    step's request can no longer take effect. That is very long where it was signed with a wrong time of the exchange.
    Then delete its API key at the exchange, give the account a new one, and add --key-deleted.

    \b
    Exit codes: 0 recorded, 1 error, 4 refused (too early, or locked).
    Example:    reconcile resolve main:BTCUSDT.long --as applied
                    --reason "seen in the exchange's own history"
    """
    if not reason.strip():
        raise UsageError("--reason: it is empty; say how you know what happened")
    session.check_files()
    done = conduct(
        session,
        lambda world: usecase.resolve(
            world, address=address, applied=outcome == "applied", reason=reason.strip(), key_deleted=key_deleted
        ),
        sends=False,
        doing="resolving",
    )
    where = done.item.intent.address
    return session.emit(
        {
            "text": lambda: (
                clean(f"{done.account}: {where} is resolved as {outcome}; the next plan shows what remains") + "\n"
            ),
            "json": lambda: dumps(
                {
                    "format": FORMAT,
                    "account": done.account,
                    "address": str(where),
                    "as": outcome,
                    "reason": reason.strip(),
                    "journal_head": done.journal_head,
                }
            ),
        }
    )
