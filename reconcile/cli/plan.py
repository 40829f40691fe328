"""``reconcile plan``: read the accounts and show the difference. Sends nothing: its wire cannot."""

import sys
from collections.abc import Callable, Mapping, Sequence

import click

from reconcile.cli import state_files
from reconcile.cli.commit import commit_of, place_of
from reconcile.cli.common import DURATION, command, detailed, override, parallelism, pass_session, paths, target
from reconcile.cli.runner import conduct
from reconcile.cli.session import Invocation
from reconcile.errors import UsageError
from reconcile.model.account import DesiredAccount, Percent
from reconcile.model.plan import Plan, SinceCommit
from reconcile.planning.order import plan_exit_code, worst
from reconcile.render.common.json import Document, dumps
from reconcile.render.plan.github import plan_annotations
from reconcile.render.plan.json import plan_document
from reconcile.render.plan.markdown import plan_markdown
from reconcile.render.plan.text import plan_text
from reconcile.statefile import scalars
from reconcile.usecases import plan as usecase


def _headroom(_context: click.Context, _parameter: click.Parameter, text: str | None) -> Percent | None:
    """The option's share, at most 100 %. Raises UsageError."""
    try:
        found = None if text is None else scalars.percent(text, expected='expected a percentage up to "100%"')
    except ValueError as error:
        raise UsageError(f"--headroom: {error}") from error
    if found is not None and found.value > 100:
        raise UsageError(f"--headroom {text}: more than the whole; expected at most 100%")
    return found


@command("plan", formats=("text", "json", "markdown", "github"))
@paths
@click.option("--out", metavar="FILE", help="Save the plan for 'reconcile apply FILE'.")
@detailed
@target
@click.option("--expires", type=DURATION, default="1h", show_default=True, help="How long a saved plan may be applied.")
@click.option(
    "--headroom",
    metavar="PERCENT",
    callback=_headroom,
    help="How much more than planned an addition for a measure may become before it is sent, such as 20%.",
)
@click.option(
    "--changed-since",
    metavar="COMMIT",
    help="Only accounts whose files differ from that commit of their git checkout.",
)
@override
@parallelism
@pass_session
def plan(
    session: Invocation,
    *,
    paths: tuple[str, ...],
    out: str | None,
    detailed_exitcode: bool,
    target: tuple[str, ...],
    expires: int,
    headroom: Percent | None,
    changed_since: str | None,
    override: tuple[str, ...],
    parallelism: int,
) -> int:
    """Read the account and show the difference; sends nothing.

    PATH is a state file or a folder. One line per address: the margin now, what is declared, the difference, and what
    the change does to the liquidation price.

    \b
    Signs:      + add   - take out   ~ margin type, auto-add   ! blocked
                ? held: a step or a reading is in doubt
                . waiting for a position   * unmanaged   = in sync
    Exit codes: 0 the command worked, 1 an account could not be read,
                4 an account is refused (several files reach it, or another
                than the pinned one answers).
                With --detailed-exitcode also 2 changes are pending,
                3 something is blocked, or held by a reading in doubt, and
                nothing is to be sent, 4 an account-wide limit refuses it,
                5 the outcome of a call is unknown.
    Examples:   reconcile plan states/main.toml
                reconcile plan states/ --target 'main:BTC*'
                reconcile plan states/ --detailed-exitcode
                reconcile plan states/ --out plan.json --format markdown=c.md
                reconcile plan states/ --changed-since origin/main
    """
    session.check_files(out)
    accounts, overrides = state_files.load(paths, globs=target, overrides=override)
    commit = commit_of(paths)
    since = None if changed_since is None else _since(changed_since, accounts, paths)
    made = conduct(
        session,
        lambda world: usecase.plan(
            world,
            accounts,
            targets=target,
            overrides=overrides,
            expires_ms=expires,
            git_commit=commit,
            headroom=headroom,
            since=since,
        ),
        sends=False,
        parallelism=parallelism,
        doing=f"reading {state_files.counted(accounts)}",
    )
    document = plan_document(made) if out or session.has("json", "markdown") else {}
    written = session.emit(views(session, made, document))
    if out:
        written = max(written, session.save(out, dumps(document)))
    return worst([written, exit_code(made, detailed=detailed_exitcode)])


def _since(revision: str, accounts: Sequence[DesiredAccount], paths: Sequence[str]) -> SinceCommit:
    from reconcile.statefile.changed import changed_since  # noqa: PLC0415 - only --changed-since pays for it

    return changed_since(revision, accounts, paths)


def views(session: Invocation, made: Plan, document: Document) -> Mapping[str, Callable[[], str]]:
    """The plan in each format; ``document`` is its JSON where that is needed."""
    return {
        "text": lambda: plan_text(made, titles=state_files.TITLES, **session.look_of(sys.stdout)),
        "json": lambda: dumps(document),
        "markdown": lambda: plan_markdown(made, titles=state_files.TITLES, digest=document["digest"]),
        "github": lambda: plan_annotations(made, place=place_of),
    }


def exit_code(made: Plan, *, detailed: bool) -> int:
    """The exit code of a plan: whether it could be made, and with ``detailed`` its content."""
    return plan_exit_code(made.accounts, detailed=detailed)
