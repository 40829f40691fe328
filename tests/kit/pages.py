"""The shell blocks of the pages that people copy from: found, held against the command line, and run.

A block whose fence says ``sh`` runs, in the order of its page, unless the comment ``<!-- not run: REASON -->`` stands
above it: it needs a live exchange, a cluster or a person. Such a block is parsed only. A ``text`` block right behind a
block that runs is what it prints; ``...`` in it stands for lines left out.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import click

from reconcile.cli import main
from reconcile.cli.session import Invocation
from tests.kit.cli import ROOT, SECONDS, at_terminal, environment, run

SHELL = {"sh", "bash", "console", "shell"}
_FENCE = re.compile(
    r"(?:^<!-- not run: (?P<reason>[^>]+) -->\n)?^```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE
)
_PROGRAM = re.compile(r"(?:\S*/)?reconcile")
_ASSIGNS = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)
_SUBSTITUTED = re.compile(r"\$\(([^()]*)\)")
_PUNCTUATION = set(";|&()<>")
_NOT_PLAIN = re.compile(r"[|&;<>$`()*~\n]")
_LINE = re.compile(r".*<<\s*'?(\w+)'?.*\n(?:.*\n)*?\1\n|.*\n")
"""A line, with the text that it feeds to a command."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fenced block. ``reason`` is why it does not run, None where it does; ``shows`` are lines that it prints."""

    page: Path
    line: int
    kind: str
    text: str
    reason: str | None
    shows: tuple[str, ...] = ()

    @property
    def is_shell(self) -> bool:
        """Whether a reader is to type it."""
        return self.kind in SHELL

    @property
    def place(self) -> str:
        """``docs/tutorial.md:12``."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def lines(self) -> list[str]:
        """The lines that are typed, each with what continues it, without comments of their own and prompts."""
        typed = [found[0].rstrip("\n") for found in _LINE.finditer(self.text.replace("\\\n", " "))]
        if self.kind == "console" and any(line.startswith("$ ") for line in typed):
            typed = [line[2:] for line in typed if line.startswith("$ ")]
        return [line for line in typed if line.strip() and not line.lstrip().startswith("#")]


def blocks(page: Path) -> list[Block]:
    """Every fenced block of a page, in order."""
    text = page.read_text(encoding="utf-8")
    found = list(_FENCE.finditer(text))
    shown = {
        index: tuple(line.rstrip() for line in after["text"].splitlines())
        for index, (one, after) in enumerate(pairwise(found))
        if after["kind"] == "text" and not text[one.end() : after.start()].strip()
    }
    return [
        Block(
            page=page,
            line=text.count("\n", 0, each.start()) + 1,
            kind=each["kind"],
            text=each["text"],
            reason=each["reason"],
            shows=shown.get(index, ()),
        )
        for index, each in enumerate(found)
    ]


def calls(text: str) -> Iterator[list[str]]:
    """The words behind each ``reconcile`` that a piece of shell calls, wherever it stands in a list or a pipe."""
    for inner in _SUBSTITUTED.findall(text):
        yield from calls(inner)
    lexer = shlex.shlex(_SUBSTITUTED.sub("", text), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    is_file = False
    for word in [*lexer, ";"]:
        if is_file or not set(word) <= _PUNCTUATION:
            words += [] if is_file else [word]
            is_file = False
            continue
        is_file = "<" in word or ">" in word
        if is_file:
            continue
        while words and _ASSIGNS.fullmatch(words[0]):
            words = words[1:]
        if words and _PROGRAM.fullmatch(words[0]):
            yield words[1:]
        words = []


def understand(words: list[str]) -> None:
    """Parse a command line as the program does, and run nothing; raises click.UsageError where it would refuse it."""
    found: click.Command = main
    try:
        context = main.make_context("reconcile", list(words), obj=Invocation())
    except click.exceptions.Exit:  # --help, --version
        return
    while isinstance(found, click.Group):
        rest = [*context._protected_args, *context.args]
        name, inner, left = found.resolve_command(context, rest)
        if inner is None:
            raise click.UsageError(f"no such command: {rest[0]}")
        context = inner.make_context(name, left, parent=context)
        found = inner


class Reader:
    """A person who types what a page shows, at 80 columns, with a home of their own, and says yes to a question.

    Plain calls of the program run in this process; whatever needs a shell runs in one, with the program on its path.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {"COLUMNS": "80", "LANG": "C.UTF-8", "NO_COLOR": "1"}
        self._bin = folder / "bin"
        self._bin.mkdir()
        program = self._bin / "reconcile"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -m reconcile "$@"\n')
        program.chmod(0o755)

    def types(self, line: str) -> tuple[int, str]:
        """One line; its exit code and everything it printed. ``cd`` changes the folder of this process."""
        export = re.fullmatch(r"export (\w+)=(\S*)", line)
        if export:
            self.env[export[1]] = shlex.split(export[2])[0] if export[2] else ""
            return 0, ""
        if line.startswith("cd "):
            os.chdir(line.removeprefix("cd ").replace("~", str(self.folder)))
            return 0, ""
        words = shlex.split(line, comments=True)
        if words[:2] == ["reconcile", "apply"] and "--auto-approve" not in words:
            ended = at_terminal(self.folder, *words[1:], typed=b"yes\n", env=self.env, cwd=Path.cwd())
            return ended.code, ended.out
        if words[0] == "reconcile" and not _NOT_PLAIN.search(line):
            ended = run(self.folder, *words[1:], env=self.env)
            return ended.code, ended.out + ended.err
        return self._in_a_shell(line)

    def _in_a_shell(self, line: str) -> tuple[int, str]:
        env = environment(self.folder, self.env)
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-o", "pipefail", "-c", line],
            cwd=Path.cwd(),
            env={**env, "PATH": f"{self._bin}:{os.environ['PATH']}"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        return done.returncode, done.stdout


def missing(shows: tuple[str, ...], printed: str) -> list[str]:
    """The shown lines that were not printed in that order; ``…`` in one stands for anything."""
    there = iter([line.rstrip() for line in printed.splitlines()])
    return [line for line in shows if line.strip() not in {"...", ""} and not any(_is(line, each) for each in there)]


def _is(shown: str, printed: str) -> bool:
    start, dots, end = shown.partition("…")
    return printed.startswith(start) and printed.endswith(end) if dots else printed == shown
