"""``reconcile freeze`` and ``reconcile unfreeze``: stop every send of an account at once, and allow it again."""

from pathlib import Path

import click

from reconcile import statefile
from reconcile.cli.common import command, pass_session
from reconcile.cli.runner import conduct
from reconcile.cli.session import Invocation
from reconcile.errors import Problem, StateFileErrors, UsageError
from reconcile.journal.brake import EVERY
from reconcile.render.common.json import dumps
from reconcile.render.common.values import clean
from reconcile.usecases import freeze as usecase
from reconcile.usecases.freeze import BrakeChange

FORMAT = "reconcile.brake/1"

_account = click.argument("account", metavar="[ACCOUNT]", required=False)
_all = click.option("--all", "every", is_flag=True, allow_from_autoenv=False, help="Every account, known or not.")
_reason = click.option(
    "--reason", metavar="TEXT", required=True, help="Why; for the journal and for whoever is refused."
)


@command("freeze")
@_account
@click.argument("paths", metavar="[PATH...]", nargs=-1, type=click.Path())
@_all
@_reason
@pass_session
def freeze(session: Invocation, *, account: str | None, paths: tuple[str, ...], every: bool, reason: str) -> int:
    """Stop sending for an account, or all: the emergency brake.

    Every apply of the account is refused from now on. An apply or watch that is running sends nothing more; what is in
    flight it settles. Plans and drift go on. All runners that share this home or --journal hear it. PATH is a state
    file or folder that names the account, needed only where no journal here knows it. No keys are needed.

    \b
    Exit codes: 0 frozen, 1 error (an account that is not known).
    Examples:   reconcile freeze main --reason "incident 42"
                reconcile freeze --all --reason "incident 42"
    """
    name, why = _which(account, every=every), _why(reason)
    session.check_files()
    if name is None and paths:
        raise UsageError("freeze --all: it freezes every account; name no paths beside it")
    declared = _declared(paths, account) if paths else ()
    done = conduct(
        session,
        lambda world: usecase.freeze(world, name, reason=why, declared=declared),
        sends=True,
        doing="freezing",
    )
    return _show(session, done)


@command("unfreeze")
@_account
@_all
@_reason
@pass_session
def unfreeze(session: Invocation, *, account: str | None, every: bool, reason: str) -> int:
    """Lift a freeze; the next apply sends again.

    --all lifts every freeze there is, also those of single accounts. Nothing is sent by this command.

    \b
    Exit codes: 0 lifted, 1 error (it is not frozen).
    Example:    reconcile unfreeze main --reason "incident 42 is over"
    """
    name, why = _which(account, every=every), _why(reason)
    session.check_files()
    done = conduct(session, lambda world: usecase.unfreeze(world, name, reason=why), sends=True, doing="unfreezing")
    return _show(session, done)


def _declared(paths: tuple[str, ...], account: str | None) -> tuple[str, ...]:
    """The accounts of these state files; raises StateFileErrors, which says how to freeze all the same."""
    try:
        return tuple(each.name for each in statefile.load([Path(path) for path in paths]))
    except StateFileErrors as error:
        advice = f"freezing {account}: not frozen; name its own state file alone, or freeze all with --all"
        here = Problem(file=" ".join(paths), line=None, key="", message=advice)
        raise StateFileErrors((*error.problems, here)) from error


def _which(account: str | None, *, every: bool) -> str | None:
    if (account is None) is not every:
        raise UsageError("name one ACCOUNT, or --all for every account")
    return account


def _why(reason: str) -> str:
    if not reason.strip():
        raise UsageError("--reason: it is empty; say why")
    return reason.strip()


def _show(session: Invocation, done: BrakeChange) -> int:
    return session.emit({"text": lambda: _text(done), "json": lambda: dumps(_document(done))})


def _text(done: BrakeChange) -> str:
    what = "every account" if done.account is None else done.account
    undo = "--all" if done.account is None else done.account
    if done.command == "freeze":
        lines = [
            f"frozen: {what} ({done.reason}); nothing more is sent, what is in flight is settled",
            f"lift it with: reconcile unfreeze {undo} --reason TEXT",
        ]
    else:
        lines = [f"no longer frozen: {what}"]
        if done.still is not None:
            lines = [f"the freeze of {what} is lifted, but frozen still: {done.still}"]
    lines.append(f"journal head {done.head}")
    return "".join(f"{clean(line)}\n" for line in lines)


def _document(done: BrakeChange) -> dict[str, object]:
    return {
        "format": FORMAT,
        "command": done.command,
        "account": done.account or EVERY,
        "reason": done.reason,
        "actor": done.actor,
        "frozen": {
            name: {"reason": each.reason, "actor": each.actor, "at": each.at}
            for name, each in done.brake.freezes.items()
        },
        "still_frozen": done.still,
        "journal_head": done.head,
    }
