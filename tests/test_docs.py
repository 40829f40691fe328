"""Every page: its links lead somewhere, its commands are those of the program, and what can run does run."""

import re
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from tests.kit.cli import ROOT
from tests.kit.pages import SHELL, Block, Reader, blocks, calls, missing, understand
from tests.test_readme import command, options

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
SHELLS = [block for page in PAGES for block in blocks(page) if block.is_shell]
RUN = sorted({block.page for block in SHELLS if block.reason is None and block.kind == "sh"})
_SPAN = re.compile(r"(?<!`)`(reconcile [a-z][^`]*)`(?!`)")
_LINK = re.compile(r"\]\((?!https?:|mailto:)([^)\s]+)\)")
_MODULE = re.compile(r"python -m ((?:tests|benchmarks)[\w.]*)([^\n`#]*)")
_SANDBOX = 'endpoint = "sandbox"\n'
EXIT_OF = {0, 2}
"""What a command of a page may end with: it worked, or it says that changes are pending."""


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    """The anchors that a forge gives the headings of a page."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_the_links_lead_somewhere(page: Path) -> None:
    wrong = []
    for link in _LINK.findall(page.read_text(encoding="utf-8")):
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            wrong.append(link)
    assert wrong == []


def test_every_page_is_in_the_index() -> None:
    listed = _LINK.findall((ROOT / "docs" / "README.md").read_text(encoding="utf-8"))
    found = {(ROOT / "docs" / link.partition("#")[0]).resolve() for link in listed}
    assert [name(page) for page in PAGES if page.parent != ROOT and page.resolve() not in found] == ["docs/README.md"]


@pytest.mark.parametrize("block", SHELLS, ids=lambda block: block.place)
def test_every_command_of_a_page_is_one_that_the_program_takes(block: Block) -> None:
    for line in block.lines:
        for words in calls(line):
            try:
                understand(words)
            except click.UsageError as error:
                pytest.fail(f"{line}: {error.format_message()}")


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_command_in_a_sentence_names_a_command_and_options_that_exist(page: Path) -> None:
    for span in _SPAN.findall(re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)):
        found, words = command([word for word in span.split()[1:] if word != "..."])
        assert {word.partition("=")[0] for word in words if word.startswith("--")} <= options(found), span


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_module_that_a_page_runs_is_there_and_has_these_options(page: Path) -> None:
    for module, words in _MODULE.findall(page.read_text(encoding="utf-8")):
        place = ROOT / module.replace(".", "/")
        source = place.with_suffix(".py") if place.with_suffix(".py").exists() else place / "__main__.py"
        text = source.read_text(encoding="utf-8")
        assert [word for word in re.findall(r"--[a-z-]+", words) if f'"{word}"' not in text] == [], source


@pytest.mark.parametrize("page", sorted({block.page for block in SHELLS}), ids=name)
def test_every_block_is_shell(page: Path) -> None:
    text = "\n".join(line for block in SHELLS if block.page == page for line in block.lines)
    done = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
    assert done.stderr == ""


def hurry(folder: Path) -> None:
    """Let no command wait for the sandbox, which is never late: a short grace in each state file that has none."""
    for file in (folder / "states").glob("*.toml"):
        text = file.read_text(encoding="utf-8")
        if "grace =" not in text:
            file.write_text(text.replace(_SANDBOX, f"{_SANDBOX}grace = 0.1\n"), encoding="utf-8")


@pytest.mark.parametrize("page", RUN, ids=name)
def test_a_page_does_what_it_says(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "checkout"
    place.mkdir()
    shutil.copytree(ROOT / "states", place / "states")
    hurry(place)
    monkeypatch.chdir(place)
    reader = Reader(tmp_path)
    for block in blocks(page):
        if block.kind != "sh" or block.reason is not None:
            continue
        printed = ""
        for line in block.lines:
            code, out = reader.types(line)
            assert code in EXIT_OF, f"{block.place}: {line}: exit {code}\n{out}"
            printed += out
            hurry(Path.cwd())
        assert missing(block.shows, printed) == [], f"{block.place}:\n{printed}"


def test_a_fence_that_people_type_has_one_of_the_known_names() -> None:
    known = SHELL | {"text", "toml", "json", "yaml", "python", "sql", "mermaid", ""}
    assert [block.place for page in PAGES for block in blocks(page) if block.kind not in known] == []
