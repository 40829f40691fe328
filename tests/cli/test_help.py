"""Help, what is meant by a wrong word, and how wide and coloured what a person reads is."""

from collections.abc import Iterator, Sequence
from inspect import cleandoc
from pathlib import Path

import click
import pytest

from reconcile.cli import main
from reconcile.cli.common import WholeType
from tests.kit.cli import at_terminal, environment, process, run

DEMO = "states/demo.toml"


def every_command(group: click.Group = main, before: Sequence[str] = ()) -> Iterator[list[str]]:
    """The words of the program, of each command and of each command below one."""
    yield list(before)
    for name in group.list_commands(click.Context(group)):
        found = group.get_command(click.Context(group), name)
        if isinstance(found, click.Group):
            yield from every_command(found, [*before, name])
        else:
            yield [*before, name]


@pytest.mark.parametrize("words", list(every_command()), ids=" ".join)
def test_help_fits_into_80_columns_and_names_the_variables_of_the_common_options(
    words: list[str], tmp_path: Path
) -> None:
    shown = run(tmp_path, *words, "--help", env={"COLUMNS": "80"}).out
    assert [line for line in shown.splitlines() if len(line) > 80] == []
    flat = " ".join(shown.split())
    for name in ("FORMAT", "HOME", "JOURNAL", "VERBOSE", "NO_COLOR"):
        assert f"[env var: RECONCILE_{name}]" in flat


@pytest.mark.parametrize("words", list(every_command()), ids=" ".join)
def test_lines_of_help_that_keep_their_place_are_not_broken_in_80_columns(words: list[str], tmp_path: Path) -> None:
    shown = run(tmp_path, *words, "--help", env={"COLUMNS": "80"}).out.splitlines()
    found: click.Command = main
    for word in words:
        assert isinstance(found, click.Group)
        known = found.get_command(click.Context(found), word)
        assert known is not None
        found = known
    kept = [part for part in cleandoc(found.help or "").split("\n\n") if part.startswith("\b\n")]
    lines = [line for part in kept for line in part.splitlines()[1:]]
    assert lines or isinstance(found, click.Group)
    assert [line for line in lines if f"  {line}" not in shown] == []


@pytest.mark.parametrize(
    ("words", "variable"),
    [
        (["plan"], "RECONCILE_PLAN_TARGET"),
        (["apply"], "RECONCILE_APPLY_LOCK_TIMEOUT"),
        (["sandbox", "serve"], "RECONCILE_SANDBOX_SERVE_PORT"),
    ],
)
def test_help_names_the_variable_of_an_option(words: list[str], variable: str, tmp_path: Path) -> None:
    assert f"env var: {variable}" in " ".join(run(tmp_path, *words, "--help").out.split())


def test_help_names_no_variable_for_what_must_be_typed(tmp_path: Path) -> None:
    shown = run(tmp_path, "apply", "--help").out
    assert "AUTO_APPROVE" not in shown
    assert "APPLY_OVERRIDE" not in shown


@pytest.mark.parametrize("words", list(every_command()), ids=" ".join)
def test_help_has_no_word_of_the_code_and_names_bounds_in_words(words: list[str], tmp_path: Path) -> None:
    shown = " ".join(run(tmp_path, *words, "--help").out.split())
    assert [word for word in ("None", "<=", ">=", "INTEGER", "RANGE", "FLOAT", "BOOLEAN") if word in shown] == []


def options() -> Iterator[tuple[list[str], click.Option]]:
    for words in every_command():
        found: click.Command = main
        for word in words:
            assert isinstance(found, click.Group)
            found = found.get_command(click.Context(found), word) or main
        yield from ((words, each) for each in found.params if isinstance(each, click.Option))


def test_an_options_variable_is_called_as_the_option_and_whole_numbers_are_read_as_the_contract_says() -> None:
    for words, option in options():
        name = option.opts[-1].lstrip("-").replace("-", "_")
        if option.allow_from_autoenv and option.name != name:
            assert option.envvar == "_".join(["RECONCILE", *words, name]).upper(), option.opts
        if isinstance(option.type, click.types.IntParamType):
            assert isinstance(option.type, WholeType), option.opts


@pytest.mark.parametrize(
    ("words", "env", "told"),
    [
        (["watch", DEMO, "--rounds", "0"], {}, "0 is not in the range 1 or more"),
        (["plan", DEMO, "--parallelism", "257"], {}, "257 is not in the range 1 to 256"),
        (["rehearse", DEMO, "--shock", "-5%", "--seed", "1_0"], {}, "'1_0' is not a whole number"),
        (["rehearse", DEMO, "--shock", "-5%"], {"RECONCILE_REHEARSE_PATHS": "many"}, "'many' is not a whole number"),
    ],
)
def test_a_number_out_of_bounds_is_64_and_says_the_bounds(
    words: list[str], env: dict[str, str], told: str, tmp_path: Path
) -> None:
    ended = run(tmp_path, *words, env=env)
    assert ended.code == 64
    assert told in ended.err


def test_apply_and_watch_share_their_lock_options_but_for_the_default_that_each_explains() -> None:
    shared = {
        (*words, option.name): option for words, option in options() if option.name in {"if_locked", "lock_timeout"}
    }
    apply, watch = (shared[name, "lock_timeout"].to_info_dict() for name in ("apply", "watch"))
    assert {**apply, "help": ""} == {**watch, "help": ""}
    assert "for a hold to end" in apply["help"]  # for which a watch does not wait
    assert "hold" not in watch["help"]
    assert (shared["apply", "if_locked"].default, shared["watch", "if_locked"].default) == ("wait", "skip")


@pytest.mark.parametrize("words", [[], ["audit"], ["sandbox"]], ids=" ".join)
def test_a_group_without_a_command_shows_its_help_and_ends_with_64(words: list[str], tmp_path: Path) -> None:
    ended = run(tmp_path, *words)
    assert (ended.code, ended.out) == (64, "")
    assert ended.err.startswith(f"Usage: {' '.join(['reconcile', *words])} [OPTIONS] COMMAND")
    assert "\n\nCommands:\n" in ended.err
    assert "..." not in ended.err.partition("\nCommands:\n")[2].partition("\n\n")[0]


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["paln", DEMO], "did you mean 'reconcile plan'?"),
        (["aply"], "did you mean 'reconcile apply'?"),
        (["verify"], "did you mean 'reconcile audit verify'?"),
        (["audit", "lgo"], "did you mean 'reconcile audit log'?"),
        (["sandbox", "serv"], "did you mean 'reconcile sandbox serve'?"),
        (["xyzzy"], "'reconcile --help' lists them"),
    ],
)
def test_a_wrong_command_is_answered_with_what_was_meant(words: list[str], meant: str, tmp_path: Path) -> None:
    ended = run(tmp_path, *words)
    assert ended.code == 64
    assert ended.err.endswith(f"there is no command {words[-1] if words[-1] != DEMO else words[0]!r}; {meant}\n")


def test_a_shell_is_told_what_completes_a_word(tmp_path: Path) -> None:
    asked = {"_RECONCILE_COMPLETE": "bash_complete", "COMP_WORDS": "reconcile sandbox s", "COMP_CWORD": "2"}
    assert process(tmp_path, env=asked).out.split() == ["plain,serve", "plain,set", "plain,show"]


@pytest.mark.parametrize(
    ("env", "is_coloured"),
    [
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ({"FORCE_COLOR": "0"}, False),
        ({}, False),
    ],
)
def test_colour_can_be_asked_for_where_there_is_no_terminal(
    *, env: dict[str, str], is_coloured: bool, tmp_path: Path
) -> None:
    assert ("\x1b[" in run(tmp_path, "plan", DEMO, env=env).out) is is_coloured


def test_a_text_document_in_a_file_has_neither_colour_nor_broken_lines(tmp_path: Path) -> None:
    file = tmp_path / "plan.txt"
    run(
        tmp_path,
        "plan",
        DEMO,
        "--format",
        f"text={file}",
        "--format",
        "json",
        env={"FORCE_COLOR": "1", "COLUMNS": "60"},
    )
    assert "\x1b" not in file.read_text()
    assert "+1500 USDT  liq 54216.867" in file.read_text()


@pytest.mark.parametrize("columns", ["80", "100"])
def test_a_terminal_gets_lines_that_fit(columns: str, tmp_path: Path) -> None:
    assert "NO_COLOR" not in environment(tmp_path)
    shown = at_terminal(tmp_path, "plan", DEMO, typed=b"", env={"COLUMNS": columns, "NO_COLOR": "1"}).out
    assert [line for line in shown.splitlines() if len(line) > int(columns)] == []
    assert "liq 54216.867 → 51204.819 (10.4% → 15.4% from mark)" in shown


@pytest.fixture(scope="module")
def worked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose account was applied once, for a long reason."""
    home = tmp_path_factory.mktemp("worked")
    reason = "the weekly review of the whole desk after the funding payments of the last quarter"
    assert run(home, "apply", DEMO, "--auto-approve", "--reason", reason).code == 0
    return home


@pytest.mark.parametrize("columns", [80, 100])
@pytest.mark.parametrize(
    "words",
    [
        ["audit", "log"],
        ["audit", "movements"],
        ["audit", "show", "RUN"],
        ["audit", "verify"],
        ["audit", "head"],
        ["status", DEMO],
        ["sandbox", "show", "demo"],
        ["freeze", "demo", "--reason", "nothing is to move before the desk has looked into it, not even by a retry"],
    ],
    ids=" ".join,
)
def test_text_fits_the_terminal_and_no_word_or_number_is_cut(words: list[str], columns: int, worked: Path) -> None:
    rows = run(worked, "audit", "log", "--format", "json").json["rows"]
    words = [rows[0]["run_id"] if word == "RUN" else word for word in words]
    fitted = run(worked, *words, env={"COLUMNS": str(columns)})
    assert fitted.code == 0
    assert [line for line in fitted.out.splitlines() if len(line) > columns and len(line.split()) > 1] == []
    if words[0] != "freeze":  # each freeze is another record
        assert fitted.out.split() == run(worked, *words).out.split()


@pytest.mark.parametrize("words", [["audit", "views"], ["schema"]], ids=" ".join)
def test_text_for_a_program_is_the_same_at_any_width(words: list[str], tmp_path: Path) -> None:
    assert run(tmp_path, *words, env={"COLUMNS": "40"}).out == run(tmp_path, *words).out
