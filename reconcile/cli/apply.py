"""``reconcile apply``: make live as declared, from state files or from a reviewed plan; asks first."""

import select
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import click

from reconcile.cli import saved_plan, state_files
from reconcile.cli.commit import commit_of, place_of
from reconcile.cli.common import command, override, parallelism, pass_session, paths, target
from reconcile.cli.files import read_if_plan
from reconcile.cli.locking import lock_options, lock_timeout_ms
from reconcile.cli.refusals import note_unread
from reconcile.cli.runner import conduct
from reconcile.cli.session import Invocation
from reconcile.errors import Declined, InputError, Interrupted, UsageError
from reconcile.model.account import DesiredAccount
from reconcile.model.plan import AccountPlan, Plan, Result, SavedPlan
from reconcile.planning.order import worst
from reconcile.render.common.json import dumps
from reconcile.render.plan import text
from reconcile.render.plan.text import plan_text
from reconcile.render.result.github import result_annotations
from reconcile.render.result.json import result_document
from reconcile.render.result.markdown import result_markdown
from reconcile.render.result.text import result_text
from reconcile.usecases import apply as usecase
from reconcile.usecases.world import World

_LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """The accounts to apply: accounts with the overrides that were typed, or those of a reviewed plan."""

    accounts: Sequence[DesiredAccount]
    overrides: dict[str, dict[str, str]]
    saved: SavedPlan | None


@command("apply", formats=("text", "json", "markdown", "github"))
@paths
@click.option("--auto-approve", is_flag=True, allow_from_autoenv=False, help="Do not ask.")
@click.option("--reason", metavar="TEXT", help="Why, for the journal; required with --override.")
@override
@target
@lock_options(if_locked="wait", skipping="it is refused at once (4)", waits_for="the lock, or for a hold to end,")
@parallelism
@click.option("--digest", metavar="DIGEST", help="Only with a PLAN: it must be the plan with this digest.")
@pass_session
def apply(
    session: Invocation,
    *,
    paths: tuple[str, ...],
    auto_approve: bool,
    reason: str | None,
    override: tuple[str, ...],
    target: tuple[str, ...],
    lock_timeout: int,
    if_locked: str,
    parallelism: int,
    digest: str | None,
) -> int:
    """Make it so: plan, ask, send each step once, verify.

    PATH... are state files or folders; or one PLAN that 'reconcile plan --out' saved, which is applied as a ceiling.
    Asks once and only 'yes' goes on; with nothing to send it does not ask. Running it again is always safe: it looks
    first and sends only what is still missing. Ctrl-C starts nothing new and settles what is in flight.

    \b
    Exit codes: 0 applied and verified, or already in sync, 1 error,
                3 short of the declared state, 4 refused before sending,
                5 an outcome is unknown and held, 130 interrupted.
    Examples:   reconcile apply states/main.toml
                reconcile apply states/ --auto-approve --format json=result.json
                reconcile apply plan.json --digest sha256:... --reason "review"
                reconcile apply a.toml --override max_add=9000 --reason "ok"
    """
    try:
        work = _work(paths, override=override, target=target, digest=digest)
    except (Declined, InputError) as error:
        note_unread(session, error, paths=paths, asked=digest, reason=reason)
        raise
    reason = state_files.required_reason(reason, override)
    if not auto_approve and not sys.stdin.isatty():
        raise UsageError("apply: there is no terminal to ask at; add --auto-approve, or run it at a terminal")
    session.check_files()
    commit = work.saved.plan.git_commit if work.saved else commit_of(paths)
    ended = conduct(
        session,
        lambda world: usecase.apply(
            world,
            work.accounts,
            targets=target,
            overrides=work.overrides,
            reason=reason,
            git_commit=commit,
            confirm=None if auto_approve else _question(session, world),
            show=partial(_show_ahead, session),
            saved=work.saved,
        ),
        sends=True,
        parallelism=parallelism,
        lock_timeout_ms=lock_timeout_ms(if_locked, lock_timeout),
        doing=f"applying {state_files.counted(work.accounts)}",
    )
    return worst([_show(session, ended), ended.exit_code])


def _work(paths: tuple[str, ...], *, override: tuple[str, ...], target: tuple[str, ...], digest: str | None) -> Work:
    plans = [plan for plan in map(read_if_plan, paths) if plan is not None]
    if not plans:
        if digest is not None:
            raise UsageError("--digest: only a saved plan has one; name the plan, or leave it out")
        accounts, overrides = state_files.load(paths, globs=target, overrides=override)
        return Work(accounts=accounts, overrides=overrides, saved=None)
    if len(paths) > 1:
        raise UsageError("apply: a saved plan is applied by itself; name nothing beside it")
    if override or target:
        raise UsageError("apply: a saved plan carries its own overrides and targets; leave out --override and --target")
    saved = saved_plan.load(plans[0], digest=digest, doing="applying the plan")
    accounts = tuple(account.desired for account in saved.plan.accounts)
    return Work(accounts=accounts, overrides={}, saved=saved)


def _question(session: Invocation, world: World) -> Callable[[Plan], bool]:
    """Show the plan, ask, and wait on this thread for the answer; raises Interrupted when asked to stop meanwhile."""

    def confirm(plan: Plan) -> bool:
        visible = session.stdout_format == "text"
        if visible:
            shown = plan_text(plan, titles=state_files.TITLES, **session.look_of(sys.stdout))
            session.say(shown)
        if not visible or not sys.stdout.isatty():
            session.ask(plan_text(plan, titles=state_files.TITLES, **session.look_of(sys.stderr)))
        _drop_typed_ahead()
        session.ask(text.question(plan, titles=state_files.TITLES, columns=session.columns_of(sys.stderr)))
        answer = _answer(world.stop.is_set)
        if not answer.endswith("\n"):
            session.ask("\n")
        return answer.rstrip("\r\n") == "yes"

    return confirm


def _answer(stopped: Callable[[], bool]) -> str:
    """One line from stdin, empty at its end; checks now and then whether a stop was requested."""
    while threading.main_thread().is_alive():
        if stopped():
            raise Interrupted("interrupted at the question; nothing was sent")
        if select.select([sys.stdin], [], [], _LOOK_SECONDS)[0]:
            return sys.stdin.readline()
    return ""


def _drop_typed_ahead() -> None:
    """Forget what was typed before the question could be read: it answers something else."""
    import termios  # noqa: PLC0415 - no other system has it, and 'reconcile --help' works on any

    with suppress(OSError, ValueError, termios.error):
        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)


def _show_ahead(session: Invocation, account: AccountPlan) -> None:
    """Show the calls to come of a run without a confirmation: on stdout before the result, or on stderr."""
    if session.log_json and session.stdout_format != "text":
        session.log("info", text.ahead(account, titles=state_files.TITLES, color=False).partition("\n")[0])
    elif session.stdout_format == "text":
        session.say(text.ahead(account, titles=state_files.TITLES, **session.look_of(sys.stdout)))
    else:
        session.ask(text.ahead(account, titles=state_files.TITLES, **session.look_of(sys.stderr)))


def _show(session: Invocation, ended: Result) -> int:
    return session.emit(
        {
            "text": lambda: result_text(ended, titles=state_files.TITLES, **session.look_of(sys.stdout)),
            "json": lambda: dumps(result_document(ended)),
            "markdown": lambda: result_markdown(ended, titles=state_files.TITLES),
            "github": lambda: result_annotations(ended, place=place_of),
        },
        is_record=False,
    )
