"""What an invocation shows at a terminal, where stdout and stderr are one screen."""

import io
from contextlib import redirect_stderr, redirect_stdout

from reconcile.cli.session import Invocation

CLEARED = "\r\x1b[K"


def test_nothing_is_written_behind_the_line_at_the_bottom() -> None:
    screen = io.StringIO()
    session = Invocation()
    with redirect_stdout(screen), redirect_stderr(screen):
        session.status("waiting 3 s")
        session.say("a line of a document\n")
        session.warn("a line of the log")
        session.ask("a question: ")
        session.status("")
        session.say("the end\n")
    assert screen.getvalue() == (
        f"{CLEARED}reconcile: waiting 3 s{CLEARED}a line of a document\n{CLEARED}reconcile: a line of the log\n"
        f"{CLEARED}a question: {CLEARED}the end\n"
    )
