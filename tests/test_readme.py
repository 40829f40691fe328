"""README, contract and ``--help`` say the same."""

import re
from pathlib import Path

import click
import pytest

from reconcile.cli import COMMANDS, main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRACT = (ROOT / "docs" / "contract.md").read_text(encoding="utf-8")
RESULTS = (ROOT / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*|(?<![\w-])-v(?![\w-])")
COMMON = {"--format", "--home", "--journal", "-v", "--no-color", "--version"}
_BLOCK = re.compile(r"```(?P<kind>\w*)\n(?P<text>.*?)```", re.DOTALL)


def section(text: str, title: str) -> str:
    """One section of a document."""
    return re.split(r"^## ", text.partition(f"## {title}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def command(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that these words begin with, and the words that are left for it."""
    found: click.Command = main
    context = click.Context(main)
    while isinstance(found, click.Group) and words:
        inner = found.get_command(context, words[0])
        assert inner is not None, f"there is no command {words[0]!r}"
        found, words = inner, words[1:]
    return found, words


def options(found: click.Command) -> set[str]:
    """The options of a command, and of every command below it."""
    names = {name for param in found.params if isinstance(param, click.Option) for name in param.opts}
    if isinstance(found, click.Group) and found is not main:
        for inner in found.commands.values():
            names |= options(inner)
    return names | {"--help"}


def synopses() -> dict[str, str]:
    """What the contract's synopsis says of each command."""
    block = _BLOCK.search(section(CONTRACT, "2. Commands"))
    assert block is not None
    parts = re.split(r"^reconcile (\w+)", block["text"], flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_the_list_of_commands_is_the_programs_own() -> None:
    rows = re.findall(r"^\| `reconcile (\w+)` \| (.+) \|$", section(README, "Commands"), flags=re.MULTILINE)
    assert rows == [(name, summary) for name, (_, summary) in COMMANDS.items()]


def test_every_command_is_one_of_the_contract() -> None:
    assert set(COMMANDS) <= set(synopses())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_the_contract_is_an_option_of_its_command(name: str) -> None:
    promised = set(OPTION.findall(synopses()[name]))
    assert promised - options(command([name])[0]) == set()


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_every_command_has_the_common_options(name: str) -> None:
    assert COMMON - options(command([name] if name else [])[0]) == set()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_says_what_it_is_for(name: str) -> None:
    found, _ = command([name])
    below = found.commands.values() if isinstance(found, click.Group) else [found]
    for each in below:
        assert [param.name for param in each.params if isinstance(param, click.Option) and not param.help] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_has_exit_codes_and_an_example(name: str) -> None:
    found, _ = command([name])
    for each in found.commands.values() if isinstance(found, click.Group) else [found]:
        shown = each.help or ""
        assert "Exit codes:" in shown
        assert re.search(r"Examples?: ", shown)


def test_the_exit_codes_in_help_are_those_of_the_contract() -> None:
    shown = re.findall(r"^ +(\d+)  ", main.epilog or "", flags=re.MULTILINE)
    assert shown == re.findall(r"^\| (\d+) \|", section(CONTRACT, "3. Exit codes"), flags=re.MULTILINE)


def test_the_table_of_who_doubles_is_the_measured_one() -> None:
    rows = re.findall(r"^\| (Binance|OKX) \| (.+?) \| (.+?) \| (.+?) \|$", README, flags=re.MULTILINE)
    measured = re.findall(r"^\| (.+?) \| (.+?) \| (\S+) \|.* (\S+) \|$", RESULTS, flags=re.MULTILINE)
    shown = {tuple(cell.strip("*") for cell in (exchange.lower(), *rest)) for exchange, *rest in rows}
    assert len(shown) == 7
    assert shown <= {tuple(cell.strip("*") for cell in row) for row in measured}
