"""Every error of every command becomes its message and its exit code here, and nowhere else.

Expected errors (``reconcile.errors``) speak for themselves and never come with a traceback. An unexpected one is a bug
of ours: it shows its type and place, and with ``-v`` the traceback, without local variables. Secrets are taken out.
"""

import re
import traceback
from typing import assert_never

import click

from reconcile.cli.common import NoCommandError
from reconcile.cli.session import Invocation
from reconcile.errors import (
    Declined,
    InDoubt,
    Interrupted,
    Problem,
    ReconcileError,
    StateFileErrors,
    UsageError,
    origin,
    readable,
)

USAGE = 64
_SIGNATURE = re.compile(r"(?i)([?&]signature=)[^\s&'\",)]+")
"""A signature in a query, which a library's error may repeat."""
_PASSWORD = re.compile(r"(\w://[^\s:/@]*):[^\s/@]*@")


def report(error: BaseException, session: Invocation) -> int:
    """Say what went wrong, in every format asked for, and return the exit code."""
    match error:
        case SystemExit() | click.exceptions.Exit():
            code = error.code if isinstance(error, SystemExit) else error.exit_code
            return code if isinstance(code, int) else 1
        case click.UsageError() | UsageError():
            return _usage(error, session)
        case KeyboardInterrupt() | click.Abort() | Interrupted():
            return _say(session, [str(error) or "interrupted; nothing was sent by this command"], 130)
        case ReconcileError() | click.ClickException():
            return _expected(error, session)
        case _:
            return _unexpected(error, session)


def _expected(error: ReconcileError | click.ClickException, session: Invocation) -> int:
    match error:
        case StateFileErrors():
            return _say(session, [str(problem) for problem in error.problems], 1, error.problems)
        case Declined():
            code = _say(session, [str(error)], 4)
            session.warn(f"what to do: reconcile explain {error.key}")
            return code
        case InDoubt():
            return _say(session, [str(error)], 5)
        case ReconcileError():
            return _say(session, [str(error)], 1)
        case click.ClickException():
            return _say(session, [error.format_message()], 1)
        case _:
            assert_never(error)


def _usage(error: click.UsageError | UsageError, session: Invocation) -> int:
    message = error.format_message() if isinstance(error, click.UsageError) else str(error)
    context = error.ctx if isinstance(error, click.UsageError) else None
    text = redacted(readable(" ".join(message.split())), session)
    if session.log_json:
        hint = "" if context is None else f"; '{context.command_path} --help' shows how it is written"
        session.log("error", f"{text.rstrip('.')}{hint}")
        return USAGE
    if context is not None and isinstance(error, NoCommandError):
        session.ask(f"{context.get_help()}\n\n")
    elif context is not None:
        session.ask(f"{context.get_usage()}\nTry '{context.command_path} --help' for help.\n\n")
    session.log("error", text)
    return USAGE


def _say(session: Invocation, messages: list[str], code: int, problems: tuple[Problem, ...] = ()) -> int:
    """The messages on stderr for a person, and the document of every other format that was asked for."""
    safe = [redacted(message, session) for message in messages]
    session.log("error", "\n".join(safe))
    if session.shown or all(sink.name == "text" for sink in session.sinks):
        return code
    from reconcile.cli.commit import place_of  # noqa: PLC0415 - as below
    from reconcile.render import failure  # noqa: PLC0415 - a failure in text alone does not pay for it

    def no_text() -> str:
        return ""

    session.emit(
        {
            "text": no_text,
            "csv": no_text,
            "json": lambda: failure.json_document(safe, problems, code=code),
            "markdown": lambda: failure.markdown(safe),
            "github": lambda: failure.github(safe, problems, place=place_of),
        }
    )
    return code


def _unexpected(error: BaseException, session: Invocation) -> int:
    lines = [f"unexpected {type(error).__name__}{origin(error)}: {error}", "this is a bug; please report it"]
    if session.verbose:
        lines += _traceback(error)
    else:
        lines[-1] += " with what -v says (no secrets are in it)"
    return _say(session, lines, 1)


def trace(error: BaseException, session: Invocation) -> None:
    """Show where a bug was that a step or an account contained: with ``-v``, on stderr, without its secrets."""
    if session.verbose:
        session.warn(redacted("\n".join(_traceback(error)), session))


def _traceback(error: BaseException) -> list[str]:
    return "".join(traceback.TracebackException.from_exception(error, capture_locals=False).format()).splitlines()


def redacted(text: str, session: Invocation) -> str:
    """The text without any secret that this invocation read, and without the password or signature of any URL.

    What an exchange says was redacted where it came in; this is for what this program and its libraries say.
    """
    if session.secrets:
        from reconcile.connect.redaction import whole  # noqa: PLC0415 - most invocations read no secret

        text = whole(text, session.secrets)
    return _PASSWORD.sub(r"\1:[secret]@", _SIGNATURE.sub(r"\1[secret]", text))
