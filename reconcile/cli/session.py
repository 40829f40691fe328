"""One invocation: its common options, and where its output goes.

Exactly one format goes to stdout (text unless another was chosen); any number go to files. A reader that went away
never ends a command: what is under way must be finished. Nothing but click is imported at the top: every command
starts here.
"""

import os
import re
import select
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TextIO, TypedDict

import click

_PATIENCE_S = 1.0
"""The wait of a line, once, for a reader of stderr that has stopped reading."""
_NARROWEST = 40
"""Columns below which nothing is made to fit."""
FORMATS = ("text", "json", "markdown", "github", "csv")


class TextStyle(TypedDict):
    """The style of text: in colour or not, and the number of columns (None: lines are not broken)."""

    color: bool
    columns: int | None


class Sink:
    """One ``--format NAME[=FILE]``; ``file`` None is stdout."""

    def __init__(self, name: str, file: str | None) -> None:
        self.name = name
        self.file = file


class Invocation:
    """One invocation: its common options, and its output."""

    def __init__(self) -> None:
        self.sinks: list[Sink] = []
        self._preset: list[Sink] = []
        self.home: str | None = None
        self.journal: str | None = None
        self.verbose = False
        self.no_color = False
        self.log_json = False
        """Whether the lines on stderr are JSON."""
        self._status = ""
        self.has_asked = False
        """Whether a person was asked something, and knows what goes on."""
        self.secrets: set[str] = set()
        """Every secret this invocation has read; ``fail`` takes them out of what it prints."""
        self.shown = False
        """Whether stdout has its document."""
        self._into_file = False
        self._said_stdout = False
        self._is_stuck = False

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
        self.log_json = values["common_log_format"] == "json" if values["common_log_format"] else self.log_json
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
        """The outputs of a document: those asked for, and text on stdout if nothing else goes there."""
        if any(sink.file is None for sink in self.sinks):
            return self.sinks
        return [Sink("text", None), *self.sinks]

    @property
    def stdout_format(self) -> str:
        """The one format that goes to stdout."""
        return next(sink.name for sink in self.outputs if sink.file is None)

    def color_on(self, stream: TextIO) -> bool:
        """Whether colour is wanted on that stream: on a terminal, or where ``FORCE_COLOR`` asks for it.

        ``--no-color`` and ``NO_COLOR`` win (https://no-color.org, https://force-color.org).
        """
        if self.no_color or os.environ.get("NO_COLOR"):
            return False
        if os.environ.get("FORCE_COLOR", "0") not in {"", "0"}:
            return True
        return stream.isatty() and os.environ.get("TERM") != "dumb"

    def columns_of(self, stream: TextIO) -> int | None:
        """The columns of the terminal behind that stream; None where there is none. ``COLUMNS`` wins, as elsewhere."""
        told = os.environ.get("COLUMNS", "")
        if re.fullmatch(r"[1-9][0-9]{0,3}", told):
            from reconcile.money import whole  # noqa: PLC0415 - only where the variable is set

            return max(whole(told), _NARROWEST)
        try:
            columns = os.get_terminal_size(stream.fileno()).columns if stream.isatty() else 0
        except (OSError, ValueError, AttributeError):  # no descriptor behind it, as in tests
            return None
        return max(columns, _NARROWEST) if columns else None

    def look_of(self, stream: TextIO) -> TextStyle:
        """The style of text on that stream; plain while a document goes into a file."""
        if self._into_file:
            return TextStyle(color=False, columns=None)
        return TextStyle(color=self.color_on(stream), columns=self.columns_of(stream))

    def check_files(self, *more: str | None) -> None:
        """Raise InputError now if a file that is to be written at the end could not be."""
        for file in [*(sink.file for sink in self.sinks), *more]:
            if file is not None:
                from reconcile.files.documents import check  # noqa: PLC0415 - only output into files pays for it

                check(file)

    def emit(self, views: Mapping[str, Callable[[], str]], *, is_record: bool = True, fits: bool = True) -> int:
        """Write the document in every format asked for; 1 where that could not be done, else 0.

        ``is_record`` False: what could not be written to stdout is said and does not count, since the exit code tells
        what happened to margin. ``fits`` False: the text is for a program, so no line of it is broken at the terminal.
        """
        written = [(sink, self._show(sink, views[sink.name], fits=fits)) for sink in self.outputs]
        lost = None if is_record or not self._said_stdout else self.stdout_format
        return max((code for sink, code in written if sink.file is not None or sink.name != lost), default=0)

    def _show(self, sink: Sink, view: Callable[[], str], *, fits: bool) -> int:
        """One format. What happened on the exchange stays the verdict, so a view that fails costs only itself."""
        self._into_file = sink.file is not None
        try:
            text = view()
        except Exception as error:  # noqa: BLE001 - the other formats and the exit code are still to be told
            self.warn(
                f"showing the result as {sink.name}: unexpected {type(error).__name__}: {error}; this is a bug, please "
                "report it; the exit code and the other formats say what happened, and --format json shows it all"
            )
            return 1
        if sink.file is not None:
            return self.save(sink.file, text)
        self.shown = True
        return 0 if self.say(self.fitted(text) if fits and sink.name == "text" else text) else 1

    def fitted(self, text: str) -> str:
        """Text for stdout, no line of it wider than the terminal."""
        from reconcile.render.common.columns import fit  # noqa: PLC0415 - help and version never get here

        return fit(text, self.columns_of(sys.stdout))

    def has(self, *names: str) -> bool:
        """Whether one of these formats goes anywhere."""
        return any(sink.name in names for sink in self.outputs)

    def save(self, file: str, text: str) -> int:
        """Write a file; 1 and a message where it cannot be written, else 0."""
        from reconcile.errors import InputError  # noqa: PLC0415 - as above
        from reconcile.files.documents import write  # noqa: PLC0415 - only output into files pays for it

        try:
            write(file, text)
        except InputError as error:
            self.warn(str(error))
            return 1
        return 0

    def say(self, text: str) -> bool:
        """Text on stdout; False where it cannot be written, which is said once, and which never raises.

        A reader that went away wants no more, so that is no failure.
        """
        self._above_status()
        error = _write(sys.stdout, text)
        if error is None or isinstance(error, BrokenPipeError):
            return True
        if not self._said_stdout:
            self._said_stdout = True
            self.warn(f"writing to stdout: {_reason(error)}; the output is lost, and the command goes on")
        return False

    def warn(self, text: str) -> None:
        """Lines for a person on stderr, led by the program's name, without control characters."""
        self.log("warning", text)

    def log(self, level: str, message: str, **fields: object) -> None:
        """The same at a level; ``--log-format json`` makes one line of JSON of it, with these fields."""
        if self.log_json:
            lines = [self.line(level, message, **fields)]
        else:
            from reconcile.render.common.columns import fit  # noqa: PLC0415 - help and version never get here

            columns = self.columns_of(sys.stderr)
            lines = [fit(self.line(level, each), columns) for each in message.splitlines()]
        for each in lines:
            if self._is_heard():
                self._above_status()
                _write(sys.stderr, f"{each}\n")

    def line(self, level: str, message: str, **fields: object) -> str:
        """One line of the log."""
        from reconcile.render.common.values import clean  # noqa: PLC0415 - help and version never get here

        if not self.log_json:
            return f"reconcile: {clean(message)}"
        import json  # noqa: PLC0415 - only where it is asked for

        from reconcile.clock import SystemClock  # noqa: PLC0415 - as above
        from reconcile.render.common.values import rfc3339  # noqa: PLC0415 - as above

        at = rfc3339(SystemClock().wall_ms())
        return json.dumps({"at": at, "level": level, "message": message, **fields})

    @property
    def is_watched(self) -> bool:
        """Whether a person looks at stderr: a countdown is for a terminal."""
        return not self.log_json and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"

    def status(self, text: str) -> None:
        """A line at the bottom of the terminal that the next one replaces; empty takes it away."""
        if text or self._status:
            self._status = text
            _write(sys.stderr, f"\r\x1b[K{f'reconcile: {text}' if text else ''}")

    def _above_status(self) -> None:
        """Make room above the line at the bottom, where there is one; the next second shows that again."""
        if self._status:
            _write(sys.stderr, "\r\x1b[K")

    def ask(self, text: str) -> None:
        """Text on stderr as it is."""
        self.has_asked = True
        self._above_status()
        _write(sys.stderr, text)

    def _is_heard(self) -> bool:
        """Whether stderr takes a line now; a reader that has stopped reading is waited for once, and not for long."""
        try:
            ready = select.select([], [sys.stderr.fileno()], [], 0 if self._is_stuck else _PATIENCE_S)[1]
        except (OSError, ValueError, AttributeError):  # no descriptor behind it, as in tests
            return True
        self._is_stuck = not ready
        return bool(ready)

    def close(self) -> None:
        """Flush, and keep the interpreter's own flush at the end from failing where ours does."""
        for stream in (sys.stdout, sys.stderr):
            if _write(stream, "") is not None:
                _silence(stream)


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _write(stream: TextIO | None, text: str) -> Exception | None:
    """Write and flush; what went wrong, None where nothing did. A stream that was closed at the start is None."""
    if stream is None:
        return None
    try:
        try:
            stream.write(text)
        except UnicodeEncodeError:
            encoding = stream.encoding or "ascii"
            stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()
    except (OSError, ValueError) as error:  # ValueError: closed
        return error
    return None


def _silence(stream: TextIO) -> None:
    """Let what is still in the buffer go nowhere."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    except (OSError, ValueError):
        return
