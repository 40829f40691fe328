"""What a user is told to install is this program, and what it pulls in is pinned by hashes."""

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.kit.cli import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
FOLDERS = ("docs", "reconcile", "tests", "benchmarks", "constraints", "states", ".ci")
TEXTS = {".md", ".py", ".toml", ".yml", ".yaml", ".txt", ".html", ""}
_INSTALL = re.compile(r"\bpip3?[\"']? install\b([^\n`|&;]*)")
_TAKES_A_VALUE = {"-r", "-c", "--only-binary", "--requirement", "--constraint"}
STRANGER = "reconcile"
"""A distribution of that name exists, and it is not this program."""


def texts() -> Iterator[Path]:
    """Every file of the repository that a person or a pipeline may read a command from."""
    places = [path for path in ROOT.iterdir() if path.is_file() and not path.name.startswith(".coverage")]
    for folder in FOLDERS:
        places += (path for path in (ROOT / folder).rglob("*") if path.is_file())
    mine = {Path(__file__), ROOT / "tests" / "__pycache__"}
    return (path for path in places if path.suffix in TEXTS and path not in mine and "__pycache__" not in path.parts)


def installed(text: str) -> list[str]:
    """What the install commands in a text name: requirements, paths and URLs, without options and their values."""
    found = []
    for match in _INSTALL.finditer(text):
        line = match[1].split("  #")[0].rstrip("\\ ")
        try:
            words = shlex.split(line)
        except ValueError:  # a quotation around the command ends on this line
            words = shlex.split(re.sub(r"[\"']", "", line))
        skip = False
        for word in words:
            if not skip and not word.startswith("-"):
                found.append(word.strip("\"'),:"))
            skip = word in _TAKES_A_VALUE
    return found


def strange(text: str) -> list[str]:
    """What a text would install in place of this program: a stranger's package, a name that nothing is published as."""
    named = [word for word in installed(text) if re.split(r"[\[<>=!~ @]", word)[0] in {STRANGER, PROJECT["name"]}]
    extras = re.findall(r"(?<![\w./-])reconcile(?:-margin)?\[\w+\]|(?<![\w./-])reconcile==\S+", text)
    archives = [
        line.strip()
        for line in text.splitlines()
        if re.search(r"archive/refs/tags/.*\.(?:tar\.gz|zip)", line)
        and not re.search(r"--hash=sha256:\S|#sha256=\S", line)
    ]
    return [*named, *extras, *archives]


def test_the_distribution_has_a_name_of_its_own_and_the_command_keeps_its() -> None:
    assert PROJECT["name"] == "reconcile-margin"
    assert list(PROJECT["scripts"]) == ["reconcile"]


def test_no_text_tells_to_install_what_is_not_this_program() -> None:
    assert {str(path): found for path in texts() if (found := strange(path.read_text(encoding="utf-8")))} == {}


@pytest.mark.parametrize(
    "text",
    [
        "pip install reconcile",
        "pip install 'reconcile[postgres]'",
        ".venv/bin/pip install -q -r x.txt reconcile==1.0",
        "psycopg is missing; install reconcile[postgres]",
        "pip install reconcile-margin",
        "reconcile-margin @ https://forge.example/OWNER/reconcile/archive/refs/tags/v1.tar.gz",
    ],
)
def test_the_rule_finds_what_it_is_for(text: str) -> None:
    assert strange(text) != []


@pytest.mark.parametrize(
    "text",
    [
        "pip install -q . && .venv/bin/reconcile plan states/demo.toml",
        "pip install '.[postgres]'          # in reconcile's checkout",
        "pip install --require-hashes -r constraints/run.txt",
        "reconcile-margin @ https://forge.example/OWNER/reconcile/archive/refs/tags/v1.tar.gz --hash=sha256:HASH",
    ],
)
def test_the_rule_lets_this_program_be_installed(text: str) -> None:
    assert strange(text) == []


# Constraints.


def pins(name: str) -> dict[str, str]:
    """Each package of a constraints file with its version; every line must be a pin, a hash or a comment."""
    found: dict[str, str] = {}
    text = (ROOT / "constraints" / f"{name}.txt").read_text().replace("\\\n", " ")
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        match = re.fullmatch(r"([a-z0-9-]+)==([\w.]+)(?: ; [^#]*?)?((?:\s+--hash=sha256:[0-9a-f]{64})+)", line.rstrip())
        assert match, line
        found[match[1]] = match[2]
    return found


def asked(requirements: list[str]) -> list[Requirement]:
    environment = {key: str(value) for key, value in default_environment().items()}
    read = [Requirement(text) for text in requirements]
    return [each for each in read if each.marker is None or each.marker.evaluate(environment)]


@pytest.mark.parametrize(
    ("name", "requirements"),
    [
        ("run", [*PROJECT["dependencies"], "setuptools>=77"]),
        ("postgres", PROJECT["optional-dependencies"]["postgres"]),
        ("fast", PROJECT["optional-dependencies"]["fast"]),
        ("socks", PROJECT["optional-dependencies"]["socks"]),
        ("metrics", PROJECT["optional-dependencies"]["metrics"]),
        ("otel", PROJECT["optional-dependencies"]["otel"]),
    ],
)
def test_constraints_pin_what_the_project_asks_for(name: str, requirements: list[str]) -> None:
    pinned = pins(name)
    for each in asked(requirements):
        assert each.specifier.contains(pinned[canonicalize_name(each.name)]), each


def test_no_package_is_pinned_twice() -> None:
    names = [name for file in ("run", "postgres", "fast", "socks", "metrics", "otel") for name in pins(file)]
    assert len(names) == len(set(names))


def test_constraints_name_no_address() -> None:
    assert not any(re.search(r"://|index-url|find.links", path.read_text()) for path in ROOT.glob("constraints/*.txt"))
