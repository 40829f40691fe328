"""Running the command line: in this process, as a process of its own, and at a terminal."""

import json
import os
import pty
import select
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from reconcile.cli import main
from tests.kit.documents import seen
from tests.kit.produced import note

ROOT = Path(__file__).parents[2]
SECONDS = 60
_AT_TERMINAL = (
    "import fcntl, runpy, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "runpy.run_module('reconcile', run_name='__main__')"
)
"""Take the terminal as one's own, so that a Ctrl-C typed there is a signal; then the program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Stdout, which must be one JSON document."""
        return json.loads(self.out)


def environment(home: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a command is given: this interpreter's path, a home of its own, none of the machine's settings."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
    return {**kept, "PYTHONPATH": str(ROOT), "HOME": str(home), "RECONCILE_HOME": str(home / "home"), **(extra or {})}


def run(home: Path, *words: str, env: Mapping[str, str] | None = None) -> Ended:
    """A command in this process."""
    given: dict[str, str | None] = dict.fromkeys(name for name in os.environ if name.startswith(("RECONCILE_", "NO_")))
    given.update(environment(home, env))
    done = CliRunner().invoke(main, list(words), env=given, prog_name="reconcile")
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    seen(done.stdout)
    note(words, done.stdout, done.stderr)
    return Ended(code=done.exit_code, out=done.stdout, err=done.stderr)


def process(
    home: Path, *words: str, env: Mapping[str, str] | None = None, stdin: str | None = None, cwd: Path = ROOT
) -> Ended:
    """A command as a process of its own, with no terminal anywhere."""
    done = subprocess.run(
        [sys.executable, "-m", "reconcile", *words],
        env=environment(home, env),
        input="" if stdin is None else stdin,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        cwd=cwd,
    )
    seen(done.stdout)
    note(words, done.stdout, done.stderr)
    return Ended(code=done.returncode, out=done.stdout, err=done.stderr)


@contextmanager
def started(home: Path, *words: str, env: Mapping[str, str] | None = None) -> Iterator["subprocess.Popen[str]"]:
    """A command that is still running."""
    child = subprocess.Popen(
        [sys.executable, "-m", "reconcile", *words],
        env=environment(home, env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


def at_terminal(
    home: Path, *words: str, typed: bytes, ahead: bytes = b"", env: Mapping[str, str] | None = None, cwd: Path = ROOT
) -> Ended:
    """A command whose stdin, stdout and stderr are one terminal; ``typed`` is sent when it asks, ``ahead`` before."""
    ours, theirs = pty.openpty()
    os.write(ours, ahead)
    child = subprocess.Popen(
        [sys.executable, "-c", _AT_TERMINAL, *words],
        env=environment(home, {"TERM": "xterm", **(env or {})}),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=cwd,
        start_new_session=True,
    )
    os.close(theirs)
    shown, sent = b"", False
    while select.select([ours], [], [], SECONDS)[0]:
        try:
            piece = os.read(ours, 65_536)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        shown += piece
        if not sent and b"Type 'yes' to apply" in shown:
            os.write(ours, typed)
            sent = True
    else:
        child.kill()
    code = child.wait(SECONDS)
    os.close(ours)
    note(words, shown.decode(errors="replace"))
    return Ended(code=code, out=shown.decode().replace("\r\n", "\n"), err="")
