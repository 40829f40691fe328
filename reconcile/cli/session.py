"""One invocation: its common options, and where its output goes.

Exactly one format goes to stdout (text where nobody chose another); any number go to files. A reader that went away
never ends a command: what is under way must be finished. Nothing but click is imported at the top: every command
starts here.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TextIO

import click

FORMATS = ("text", "json", "markdown", "github", "csv")


class Sink:
    """One ``--format NAME[=FILE]``; ``file`` None is stdout."""

    def __init__(self, name: str, file: str | None) -> None:
        self.name = name
        self.file = file


class Session:
    """One invocation: its common options, and its output."""

    def __init__(self) -> None:
        self.sinks: list[Sink] = []
        self._preset: list[Sink] = []
        self.home: str | None = None
        self.journal: str | None = None
        self.verbose = False
        self.no_color = False
        self.secrets: set[str] = set()
        """Every secret this invocation has read; ``fail`` takes them out of what it prints."""
        self.shown = False
        """Whether stdout has its document."""
        self.hasty = False
        """Whether the process is to end without waiting for requests that only read."""

    def take(self, values: Mapping[str, Any], *, preset: bool) -> None:
        """Take in the common options of one level; a deeper level replaces what it names itself.

        With ``preset`` the formats come from the environment: they hold where none is typed.
        """
        if preset:
            self._preset = list(values["common_format"])
        else:
            self.sinks = self.sinks + list(values["common_format"])
        self.home = values["common_home"] or self.home
        self.journal = values["common_journal"] or self.journal
        self.verbose = self.verbose or bool(values["common_verbose"])
        self.no_color = self.no_color or bool(values["common_no_color"])

    def check_sinks(self, formats: Sequence[str]) -> None:
        """Raise click.UsageError unless this command has each format and no two of them share a place."""
        if not self.sinks:
            self.sinks = [sink for sink in self._preset if sink.name in formats]
        places: set[str | None] = set()
        for sink in self.sinks:
            if sink.name not in formats:
                raise click.UsageError(f"--format {sink.name}: this command has {', '.join(formats)}")
            place = None if sink.file is None else os.path.realpath(sink.file)
            if place in places:
                where = "stdout" if sink.file is None else sink.file
                raise click.UsageError(f"--format {sink.name}: another format goes to {where} already; name a file")
            places.add(place)

    @property
    def outputs(self) -> list[Sink]:
        """Where a document goes: what was asked for, and text on stdout where nothing else goes there."""
        if any(sink.file is None for sink in self.sinks):
            return self.sinks
        return [Sink("text", None), *self.sinks]

    @property
    def stdout_format(self) -> str:
        """The one format that goes to stdout."""
        return next(sink.name for sink in self.outputs if sink.file is None)

    def color_on(self, stream: TextIO) -> bool:
        """Whether colour is wanted on that stream."""
        wanted = not self.no_color and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        return wanted and stream.isatty()

    def check_files(self, *more: str | None) -> None:
        """Raise InputError now if a file that is to be written at the end could not be."""
        for file in [*(sink.file for sink in self.sinks), *more]:
            if file is not None:
                from reconcile.documents import check  # noqa: PLC0415 - only output into files pays for it

                check(file)

    def emit(self, views: Mapping[str, Callable[[], str]]) -> int:
        """Write the document in every format asked for; 1 where a file could not be written, else 0."""
        code = 0
        for sink in self.outputs:
            text = views[sink.name]()
            if sink.file is None:
                self.shown = True
                self.say(text)
            else:
                code = max(code, self.save(sink.file, text))
        return code

    def has(self, *names: str) -> bool:
        """Whether one of these formats goes anywhere."""
        return any(sink.name in names for sink in self.outputs)

    def save(self, file: str, text: str) -> int:
        """Write a file; 1 and a message where it cannot be written, else 0."""
        from reconcile.documents import write  # noqa: PLC0415 - only output into files pays for it
        from reconcile.errors import InputError  # noqa: PLC0415 - as above

        try:
            write(file, text)
        except InputError as error:
            self.warn(str(error))
            return 1
        return 0

    def say(self, text: str) -> None:
        """Text on stdout. A reader that went away is no reason to stop: what is under way must be finished."""
        _write(sys.stdout, text)

    def warn(self, text: str) -> None:
        """Lines for a person on stderr, led by the program's name, without control characters."""
        from reconcile.render.values import clean  # noqa: PLC0415 - help and version never get here

        _write(sys.stderr, "".join(f"reconcile: {clean(line)}\n" for line in text.splitlines()))

    def ask(self, text: str) -> None:
        """Text on stderr as it is."""
        _write(sys.stderr, text)

    def close(self, code: int) -> None:
        """Flush, and keep the interpreter's own flush at the end from complaining about a reader that went away."""
        _write(sys.stdout, "")
        if self.hasty:
            os._exit(code)


def _write(stream: TextIO, text: str) -> None:
    try:
        try:
            stream.write(text)
        except UnicodeEncodeError:
            encoding = stream.encoding or "ascii"
            stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()
    except (BrokenPipeError, ValueError):  # ValueError: closed
        try:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
        except (OSError, ValueError):
            return
