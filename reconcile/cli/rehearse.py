"""``reconcile rehearse``: what a shock to prices would do under the state file. Sends nothing: its wire cannot."""

import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal

import click

from reconcile.cli import state_files
from reconcile.cli.common import DURATION, WholeType, command, parallelism, pass_session, paths
from reconcile.cli.files import read_if_plan
from reconcile.cli.runner import conduct
from reconcile.cli.session import Invocation
from reconcile.errors import InputError, UsageError
from reconcile.model.account import DesiredAccount
from reconcile.model.rehearsal import AccountRehearsal
from reconcile.planning.order import worst
from reconcile.render import rehearsal as render
from reconcile.render.common.json import dumps
from reconcile.statefile import scalars
from reconcile.usecases import observation
from reconcile.usecases import rehearse as usecase


def _share(_context: click.Context, _parameter: click.Parameter, text: str) -> Decimal:
    """A signed percentage as a share. Raises UsageError."""
    expected = 'expected a percentage such as "-25%", above -100% and up to 1000%, and not 0%'
    sign, written = (-1 if text.strip()[:1] == "-" else 1), text.strip()
    amount = written[1:] if written[:1] in {"+", "-"} else written
    if amount[:1] in {"+", "-"}:
        raise UsageError(f"--shock {text}: has two signs; {expected}")
    try:
        share = sign * scalars.percent(amount, expected=expected).value / 100
    except ValueError as error:
        raise UsageError(f"--shock: {error}") from error
    if not -1 < share <= 10 or share == 0:
        raise UsageError(f"--shock {text}: out of range; {expected}")
    return share


@command("rehearse", formats=("text", "json", "markdown"))
@paths
@click.option("--shock", metavar="PERCENT", required=True, callback=_share, help="How far all prices move, as -25%.")
@click.option("--over", type=DURATION, default="10m", show_default=True, help="How long the move takes.")
@click.option(
    "--paths",
    "count",
    metavar="N",
    type=WholeType(0, 100_000),
    default=0,
    envvar="RECONCILE_REHEARSE_PATHS",
    help="Random paths to the shock as well.",
)
@click.option(
    "--seed", metavar="N", type=WholeType(), default=1, show_default=True, help="One seed is one set of paths."
)
@click.option("--save", metavar="FILE", help="Save what was read, for --from.")
@click.option(
    "--from",
    "source",
    metavar="FILE",
    envvar="RECONCILE_REHEARSE_FROM",
    help="Rehearse what --save saved; reads no exchange, needs no keys.",
)
@parallelism
@pass_session
def rehearse(
    session: Invocation,
    *,
    paths: tuple[str, ...],
    shock: Decimal,
    over: int,
    count: int,
    seed: int,
    save: str | None,
    source: str | None,
    parallelism: int,
) -> int:
    """Say what a shock to prices would do to each account; sends nothing.

    The account is read once. Then all its mark prices move, and every 10 s the state file is planned and applied in
    memory. The result says which positions are liquidated, how much free balance the file needs, and which limit stops
    it. With --paths, each random path counts as the straight move to its worst price, in whole percents.

    \b
    Exit codes: 0 the command worked, 1 an account could not be read.
    Examples:   reconcile rehearse states/ --shock -25% --over 10m --paths 1000
                reconcile rehearse states/ --shock -25% --save now.json
                reconcile rehearse states/ --shock -40% --from now.json
    """
    if save and source:
        raise UsageError("--save and --from: nothing is read that could be saved; give one of the two")
    session.check_files(save)
    accounts, _ = state_files.load(paths)
    asked = usecase.Shock(share=shock, over_ms=over, paths=count, seed=seed)
    if source:
        found = usecase.rehearse_saved(accounts, observation.loads(_text(source)), asked)
    else:
        found = conduct(
            session,
            lambda world: usecase.rehearse(world, accounts, asked),
            sends=False,
            parallelism=parallelism,
            doing=f"reading {state_files.counted(accounts)}",
        )
    written = session.emit(
        {
            "text": lambda: render.text(found, columns=session.look_of(sys.stdout)["columns"]),
            "json": lambda: dumps(render.document(found)),
            "markdown": lambda: render.markdown(found),
        }
    )
    if save:
        written = max(written, session.save(save, dumps(observation.document(_looks(accounts, found)))))
    return worst([written, *(account.exit_code for account in found)])


def _text(source: str) -> str:
    """The text of a saved observation. Raises InputError."""
    found = read_if_plan(source)
    if found is None:
        raise InputError(f"reading {source}: no saved observation is there; name a file that 'rehearse --save' wrote")
    return found


def _looks(
    accounts: Sequence[DesiredAccount], found: Sequence[AccountRehearsal]
) -> Mapping[str, observation.SavedLook]:
    """The accounts that could be read, by name."""
    return {
        desired.name: observation.SavedLook(
            exchange=desired.exchange, product=desired.product, observed_ms=each.look.sent_at_ms, look=each.look
        )
        for desired, each in zip(accounts, found, strict=True)
        if each.look is not None
    }
