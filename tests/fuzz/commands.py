"""Command lines: words of every command, right and wrong, run in this process without a network.

An input is the words, one a line. The state files that the words can name stand on the built-in sandbox or are broken;
whatever would wait or serve (``watch``, ``sandbox serve``) is left out.
"""

import os
import tempfile
from contextlib import chdir
from functools import cache
from pathlib import Path
from random import Random

from click.testing import CliRunner
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from reconcile.cli import main
from reconcile.errors import InputError
from tests.fuzz.harness import Target
from tests.fuzz.mutators import TOKENS
from tests.kit.cli import environment

_COMMANDS = (
    ("validate",), ("plan",), ("drift",), ("apply",), ("status",), ("resolve",), ("freeze",), ("unfreeze",),
    ("schema",), ("doctor",),
    ("audit", "log"), ("audit", "run"), ("audit", "diff"), ("audit", "verify"), ("audit", "report"), ("import",), (),
)  # fmt: skip
_STATE = 'version = 1\n[account]\nname = "m"\nexchange = "binance"\nposition_mode = "hedge"\nendpoint = "nowhere"\n'
_WORDS = (
    "bad.toml",
    "missing.toml",
    ".",
    "plan.json",
    "m",
    "m:BTCUSDT.long",
    "--help",
    "--version",
    "--format",
    "json",
    "text",
    "markdown",
    "github",
    "csv",
    "json=",
    "json=out.json",
    "--target",
    "*",
    "--override",
    "max_add=1",
    "max_add=1e999999999999",
    "max_add={USDT=1e99999999999999999999}",
    "max_add={a=" * 50,
    "m:max_add=\uff11",
    "x" * 3000,
    "--reason",
    "r",
    "--digest",
    "sha256:0",
    "--expires",
    "90s",
    "0s",
    "999999999d",
    "--parallelism",
    "1_0",
    "\uff11\uff12",
    "9" * 5000,
    "-1",
    "0",
    "--lock-timeout",
    "--detailed-exitcode",
    "--auto-approve",
    "--all",
    "--as",
    "applied",
    "--since",
    "--until",
    "2026-01-01T00:00:00Z",
    "9999-12-31T23:59:59-23:59",
    "--account",
    "--run",
    "--home",
    "/dev/null",
    "--journal",
    "postgresql://u:p@ss@h/d",
    "file:x",
    "--out",
    "/dev/full",
    "-v",
    "--",
    "-",
    "",
    "\udcff",
    "a\x1b[31m",
    "::error::x",
    "##[x]y",
)


@cache
def _folder() -> Path:
    """The folder that the words' files are in."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    (folder / "bad.toml").write_text(_STATE)
    (folder / "plan.json").write_text('{"format": "reconcile.plan/1", "digest": "x"}')
    return folder


def conducted(data: bytes) -> list[str]:
    """Run the words; everything that was printed."""
    words = [each.decode("utf-8", "surrogateescape") for each in data.split(b"\n")]
    if {"watch", "sandbox"} & set(words) or any("\0" in word for word in words):
        return []
    folder = _folder()
    if any(os.path.isdir(word) for word in words if word != "."):  # noqa: PTH112 - a word may be too long for a path
        return []  # a search of this machine takes its time
    with chdir(folder):
        done = CliRunner().invoke(main, words, env=environment(folder))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    if "this is a bug" in done.stderr or done.exit_code not in {0, 1, 2, 3, 4, 5, 64, 130}:
        raise AssertionError(f"exit {done.exit_code}: {done.stderr[-1500:]}")
    if done.exit_code != 0:
        raise InputError(done.stderr)
    return [done.stdout, done.stderr]


def _line(words: tuple[str, ...]) -> bytes:
    return "\n".join(words).encode("utf-8", "surrogateescape")


def _generated(random: Random) -> bytes:
    words = [*random.choice(_COMMANDS), *(random.choice(_WORDS) for _ in range(random.randrange(6)))]
    if random.random() < 0.2:
        words.insert(random.randrange(len(words) + 1), random.choice(TOKENS).decode("utf-8", "surrogateescape"))
    return _line(tuple(words))


def _strategy() -> SearchStrategy[bytes]:
    words = st.lists(st.sampled_from(_WORDS) | st.text(st.characters(codec="utf-8"), max_size=8), max_size=5)
    return st.builds(lambda command, rest: _line((*command, *rest)), st.sampled_from(_COMMANDS), words)


COMMANDS = Target(
    name="commands", about="command lines without a network", run=conducted, generate=_generated, strategy=_strategy
)
