"""ARCHITECTURE.md shows the code as it is: its pictures are current, and everything it names is there."""

import re
from pathlib import PurePath

import pytest

from tests.__main__ import CORE, FULL
from tests.pictures import PAGE, arrows, drawn
from tests.test_tidy import LAYERS, MODULES, PACKAGE, ours

TEXT = PAGE.read_text(encoding="utf-8")
ROOT = PAGE.parent
PLACES = sorted(set(re.findall(r"`((?:reconcile|tests|docs|benchmarks|states)/[\w./-]+)(?:::(\w+))?`", TEXT)))


def test_the_pictures_are_current() -> None:
    assert drawn(TEXT) == TEXT, "run python -m tests.pictures"


@pytest.mark.parametrize(("path", "name"), PLACES)
def test_what_the_page_names_is_there(path: str, name: str) -> None:
    place = ROOT / path
    assert place.exists()
    if name:
        assert re.search(
            rf"^(?:async )?(?:def|class) {name}\b|^    (?:async )?def {name}\b|^{name}\b",
            place.read_text(),
            re.MULTILINE,
        )


def test_the_whole_run_names_tests_and_modules_that_are_there() -> None:
    named = [ROOT / word for _, command in FULL for word in command if word.startswith("tests/")]
    assert [str(path) for path in named if not path.exists()] == []
    assert [name for name in CORE if not list(PACKAGE.glob(f"{name}.py"))] == []


def test_every_folder_of_the_package_is_explained() -> None:
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert {name for name in folders if f"`reconcile/{name}/`" not in TEXT} == set()
    assert folders - {"sandbox"} <= {name for layer in LAYERS for name in layer}


def test_no_two_folders_import_each_other() -> None:
    pairs = arrows()
    assert {pair for pair in pairs if (pair[1], pair[0]) in pairs} == set()


def test_no_two_folders_of_one_folder_import_each_other() -> None:
    folders = {module.name: folder_of(module.name) for module in MODULES}
    pairs = {(folders[module.name], folders[name]) for module in MODULES for name in ours(module) if name in folders}
    both = {pair for pair in pairs if pair[0] != pair[1] and pair[::-1] in pairs}
    assert {pair for pair in both if PurePath(pair[0]).parent == PurePath(pair[1]).parent != PurePath()} == set()
    assert ("render/result", "render/plan") in pairs


def folder_of(module: str) -> str:
    """The folder that a module stands in, from the package's own."""
    path = PACKAGE / module.replace(".", "/")
    return (path if path.is_dir() else path.parent).relative_to(PACKAGE).as_posix()


BANNED = ("nobody", "somebody", "everybody", "a marvel", "the better part of", "see to")
"""Words that say nothing about who acts; the glossary has better ones."""
SPOKEN = (*PACKAGE.rglob("*.py"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md"))


@pytest.mark.parametrize("word", BANNED)
def test_the_words_that_the_glossary_bans_stay_out(word: str) -> None:
    said = re.compile(rf"\b{word}\b", re.IGNORECASE)
    assert [str(path.relative_to(ROOT)) for path in SPOKEN if said.search(path.read_text(encoding="utf-8"))] == []
