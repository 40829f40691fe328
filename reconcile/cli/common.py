"""What all commands share: the common options before or after the command, and where output goes.

An option that was typed wins over its environment variable, and what stands after the command over what stands before
it. Exactly one format goes to stdout (text where nobody chose another); any number go to files. Nothing but click is
imported at the top: every command starts here.
"""

import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import click
from click.core import ParameterSource

from reconcile import __version__

CONTEXT: dict[str, Any] = {
    "help_option_names": ["-h", "--help"],
    "auto_envvar_prefix": "RECONCILE",
    "max_content_width": 100,
}
FORMATS = ("text", "json", "markdown", "github", "csv")
_F = TypeVar("_F", bound=Callable[..., Any])
_UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


if TYPE_CHECKING:
    _ParamType = click.ParamType[Any]  # generic for type checkers and newer clicks only
else:
    _ParamType = click.ParamType


class Sink:
    """One ``--format NAME[=FILE]``; ``file`` None is stdout."""

    def __init__(self, name: str, file: str | None) -> None:
        self.name = name
        self.file = file


class FormatType(_ParamType):
    """``NAME[=FILE]``."""

    name = "NAME[=FILE]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Sink:
        """Split and check the name; whether the command has that format it says itself."""
        if isinstance(value, Sink):
            return value
        name, equals, file = str(value).partition("=")
        if name not in FORMATS:
            self.fail(f"{name!r} is not a format; choose from {', '.join(FORMATS)}", param, ctx)
        if equals and not file:
            self.fail(f"{value!r} names no file; write {name}=FILE, or {name} for stdout", param, ctx)
        return Sink(name, file or None)


class DurationType(_ParamType):
    """``90s``, ``15m``, ``1h``, ``2d``: a length of time in milliseconds."""

    name = "DURATION"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The milliseconds; more than 0, at most ten years."""
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"([0-9]{1,9})([smhd])", str(value))
        length = int(match[1]) * _UNITS_MS[match[2]] if match else 0
        if not 0 < length <= 3650 * _UNITS_MS["d"]:
            self.fail(f"{value!r} is not a duration; write 90s, 15m, 1h or 2d", param, ctx)
        return length


DURATION = DurationType()


def _format_option(**settings: Any) -> click.Option:
    return click.Option(
        ["--format", "common_format"],
        type=FormatType(),
        multiple=True,
        help="text (default), json, markdown, github; csv for 'audit log'. Repeatable; with =FILE into a file.",
        **settings,
    )


def common_options(*, root: bool) -> list[click.Parameter]:
    """The options that every command and group takes. Only the root's have environment variables."""

    def env(name: str) -> dict[str, Any]:
        return {"envvar": name if root else None, "allow_from_autoenv": False, "show_envvar": root}

    return [
        _format_option(**env("RECONCILE_FORMAT")),
        click.Option(
            ["--home", "common_home"],
            metavar="DIR",
            help="Where journals, locks and sandbox accounts are kept; default ~/.local/state/reconcile.",
            **env("RECONCILE_HOME"),
        ),
        click.Option(
            ["--journal", "common_journal"],
            metavar="URL",
            help="Keep journals and locks there instead of in the home (postgresql://...).",
            **env("RECONCILE_JOURNAL"),
        ),
        click.Option(
            ["-v", "--verbose", "common_verbose"],
            is_flag=True,
            help="Say more on stderr; tracebacks of unexpected errors.",
            **env("RECONCILE_VERBOSE"),
        ),
        click.Option(
            ["--no-color", "common_no_color"],
            is_flag=True,
            help="No colour on a terminal (also with NO_COLOR set).",
            **env("RECONCILE_NO_COLOR"),
        ),
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            allow_from_autoenv=False,
            callback=_show_version,
            help="Show the version and exit.",
        ),
    ]


def _show_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:  # noqa: ARG001, FBT001 - click's signature
    if value and not ctx.resilient_parsing:
        click.echo(f"reconcile {__version__}")
        ctx.exit()


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
        """Raise InputError now if a file that is to be written at the end has no folder to be in."""
        for file in [*(sink.file for sink in self.sinks), *more]:
            folder = os.path.dirname(os.path.realpath(file)) if file else ""  # noqa: PTH120 - no pathlib on the way to --help
            if file and (not os.path.isdir(folder) or os.path.isdir(file)):  # noqa: PTH112 - as above
                from reconcile.errors import InputError  # noqa: PLC0415 - only a failure pays for it

                raise InputError(f"writing {file}: it cannot be a file there; name a file in an existing folder")

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
        from reconcile.cli.files import write  # noqa: PLC0415 - only output into files pays for it
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

    def close(self) -> None:
        """Flush, and keep the interpreter's own flush at the end from complaining about a reader that went away."""
        _write(sys.stdout, "")


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


class Common:
    """Mixed into commands and groups: takes the common options and hands them to the session."""

    params: list[click.Parameter]
    is_root = False
    formats: Sequence[str] = ("text", "json")

    def __init__(self, *args: Any, formats: Sequence[str] | None = None, **settings: Any) -> None:
        super().__init__(*args, **settings)
        if formats is not None:
            self.formats = formats
        self.params.extend(common_options(root=self.is_root))

    def invoke(self, ctx: click.Context) -> Any:
        """Take the common options out of the way, then run."""
        session = ctx.find_object(Session)
        if session is not None:
            names = [name for name in ctx.params if name.startswith("common_")]
            preset = ctx.get_parameter_source("common_format") is ParameterSource.ENVIRONMENT
            session.take({name: ctx.params.pop(name) for name in names}, preset=preset)
            if not isinstance(self, click.Group):
                session.check_sinks(self.formats)
        return super().invoke(ctx)  # type: ignore[misc]

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """``--help`` is never taken from the environment."""
        option: click.Option | None = super().get_help_option(ctx)  # type: ignore[misc]
        if option is not None:
            option.allow_from_autoenv = False
        return option


class Command(Common, click.Command):
    """A command with the common options; ``formats`` are the ones it has."""


class Section(Common, click.Group):
    """A group of commands with the common options."""

    command_class = Command


def command(name: str, *, formats: Sequence[str] = ("text", "json"), **settings: Any) -> Callable[[_F], Command]:
    """A command of this program."""
    return click.command(name, cls=Command, formats=formats, **settings)


pass_session = click.make_pass_decorator(Session)

paths = click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path())
target = click.option(
    "--target", metavar="GLOB", multiple=True, help="Only these addresses: [ACCOUNT:]SYMBOL.side with *."
)
override = click.option(
    "--override",
    metavar="[ACCOUNT:]LIMIT=VALUE",
    multiple=True,
    allow_from_autoenv=False,
    help="Another value for one key of [policy], this run only. Repeatable.",
)
detailed = click.option(
    "--detailed-exitcode", is_flag=True, help="Exit 2 when changes are pending, 3, 4 and 5 as the entries say."
)
parallelism = click.option(
    "--parallelism", metavar="N", type=click.IntRange(1, 256), default=10, show_default=True, help="Requests at once."
)
