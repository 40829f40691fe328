"""Options that commands share: the common ones, before or after the command, and those of several commands.

An option that was typed wins over its environment variable, and what stands after the command over what stands before
it. Nothing but click is imported at the top: every command starts here.
"""

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from reconcile import __version__
from reconcile.cli.session import FORMATS, Invocation, Sink

CONTEXT: dict[str, Any] = {
    "help_option_names": ["-h", "--help"],
    "auto_envvar_prefix": "RECONCILE",
    "max_content_width": 100,
}
_F = TypeVar("_F", bound=Callable[..., Any])
_LONG_CHOICE = re.compile(r"\[[^\s\]]{50,}\]")
"""The values of an option, too long for one line."""
_UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


if TYPE_CHECKING:
    _ParamType = click.ParamType[Any]  # generic for type checkers and newer clicks only
else:
    _ParamType = click.ParamType


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


class WholeType(click.IntRange):
    """A whole number within bounds, in ASCII digits: ``int`` takes ``1_0`` and the digits of every script."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """See ``IntRange.convert``."""
        if isinstance(value, str) and not re.fullmatch(r"-?[0-9]{1,18}", value):
            self.fail(f"{value[:40]!r} is not a whole number", param, ctx)
        return super().convert(value, param, ctx)

    def _describe_range(self) -> str:
        """For help and errors; empty where any number will do."""
        if self.max is None:
            return "" if self.min is None else f"{self.min} or more"
        return f"{self.max} or less" if self.min is None else f"{self.min} to {self.max}"


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


class _CommonOption(click.Option):
    """A common option: its variable is the program's, whichever command it stands behind, and every help names it.

    Only the root reads the variable, so that what is typed before a command is not replaced by it.
    """

    def __init__(self, *args: Any, variable: str, **settings: Any) -> None:
        super().__init__(*args, **{**settings, "allow_from_autoenv": False})
        self._variable = variable

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """As for any option, with the variable."""
        names, text = super().get_help_record(ctx) or ("", "")
        return names, f"{text}  [env var: {self._variable}]"


def _format_option(**settings: Any) -> click.Option:
    return _CommonOption(
        ["--format", "common_format"],
        type=FormatType(),
        multiple=True,
        help="text (default), json, markdown, github; csv for two of 'audit'. Repeatable; with =FILE into a file.",
        **settings,
    )


def common_options(*, root: bool) -> list[click.Parameter]:
    """The options that every command and group takes. Only the root's have environment variables."""

    def env(name: str) -> dict[str, Any]:
        return {"variable": name, "envvar": name if root else None}

    return [
        _format_option(**env("RECONCILE_FORMAT")),
        _CommonOption(
            ["--home", "common_home"],
            metavar="DIR",
            help="Where journals, locks and sandbox accounts are kept; default ~/.local/state/reconcile.",
            **env("RECONCILE_HOME"),
        ),
        _CommonOption(
            ["--journal", "common_journal"],
            metavar="URL",
            help="Keep journals and locks there instead of in the home (postgresql://...).",
            **env("RECONCILE_JOURNAL"),
        ),
        _CommonOption(
            ["-v", "--verbose", "common_verbose"],
            is_flag=True,
            help="Say more on stderr: a line for each request, tracebacks of unexpected errors.",
            **env("RECONCILE_VERBOSE"),
        ),
        _CommonOption(
            ["--log-format", "common_log_format"],
            type=click.Choice(["text", "json"]),
            help="How the lines on stderr are written; text is for people.",
            **env("RECONCILE_LOG_FORMAT"),
        ),
        _CommonOption(
            ["--no-color", "common_no_color"],
            is_flag=True,
            help="No colour (also with NO_COLOR set; FORCE_COLOR asks for it).",
            **env("RECONCILE_NO_COLOR"),
        ),
        click.Option(
            ["-V", "--version"],
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


class Common:
    """Mixed into commands and groups: takes the common options and hands them to the session."""

    params: list[click.Parameter]
    is_root = False
    formats: Sequence[str] = ("text", "json")

    def __init__(self, *args: Any, formats: Sequence[str] | None = None, **settings: Any) -> None:
        super().__init__(*args, **settings)
        if formats is not None:
            self.formats = formats
        for param in self.params:
            if isinstance(param, click.Option):
                param.show_envvar = param.allow_from_autoenv or param.envvar is not None
        self.params.extend(common_options(root=self.is_root))

    def invoke(self, ctx: click.Context) -> Any:
        """Take the common options out of the way, then run."""
        session = ctx.find_object(Invocation)
        if session is not None:
            names = [name for name in ctx.params if name.startswith("common_")]
            preset = ctx.get_parameter_source("common_format") is ParameterSource.ENVIRONMENT
            session.take({name: ctx.params.pop(name) for name in names}, preset=preset)
            if not isinstance(self, click.Group):
                session.check_sinks(self.formats)
        return super().invoke(ctx)  # type: ignore[misc]

    def get_help(self, ctx: click.Context) -> str:
        """The help, no line of it wider than the terminal."""
        from reconcile.render.common.columns import fit  # noqa: PLC0415 - only help pays for it

        shown: str = super().get_help(ctx)  # type: ignore[misc]
        shown = _LONG_CHOICE.sub(lambda found: found[0].replace("|", " | "), shown)
        return fit(shown, ctx.make_formatter().width)

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """``--help`` is never taken from the environment."""
        option: click.Option | None = super().get_help_option(ctx)  # type: ignore[misc]
        if option is not None:
            option.allow_from_autoenv = False
        return option


class Command(Common, click.Command):
    """A command with the common options; ``formats`` are the ones it has."""


class NoCommandError(click.UsageError):
    """A group was named without one of its commands: its help is what is missing."""

    def __init__(self, ctx: click.Context) -> None:
        super().__init__(f"no command: write one behind '{ctx.command_path}'", ctx)


class Group(Common, click.Group):
    """A group of commands with the common options; a command that it has not is answered with one that it has."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """See ``click.Group``; raises NoCommandError where nothing was typed."""
        if not args and not ctx.resilient_parsing:
            raise NoCommandError(ctx)
        return super().parse_args(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands, each with the whole first line of its help."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self.summary(ctx, name)) for name in self.list_commands(ctx)])

    def summary(self, ctx: click.Context, name: str) -> str:
        """One line about one of the commands."""
        found = self.get_command(ctx, name)
        return ((found.help if found else None) or "").partition("\n")[0]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """See ``click.Group``; raises click.UsageError that suggests what was meant."""
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            ctx.fail(f"there is no command {args[0][:40]!r}; {self._meant(ctx, args[0])}")
        return super().resolve_command(ctx, args)

    def _meant(self, ctx: click.Context, word: str) -> str:
        from difflib import get_close_matches  # noqa: PLC0415 - only a wrong word pays for it

        names = {name: name for name in self.list_commands(ctx)}
        for name in tuple(names):
            inner = self.get_command(ctx, name)
            if isinstance(inner, click.Group):
                names.update({below: f"{name} {below}" for below in inner.commands if below not in names})
        near = get_close_matches(word, names, n=2, cutoff=0.6)
        path = ctx.command_path
        if not near:
            return f"'{path} --help' lists them"
        return f"did you mean {' or '.join(repr(f'{path} {names[name]}') for name in near)}?"


class Section(Group):
    """A group of commands below the program itself."""

    command_class = Command


def command(name: str, *, formats: Sequence[str] = ("text", "json"), **settings: Any) -> Callable[[_F], Command]:
    """A command of this program."""
    return click.command(name, cls=Command, formats=formats, **settings)


pass_session = click.make_pass_decorator(Invocation)

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
    "--parallelism", metavar="N", type=WholeType(1, 256), default=10, show_default=True, help="Requests at once."
)
