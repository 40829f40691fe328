"""A state file costs about what a real one of its size costs, whatever is in it, and is a regular file."""

import os
import time
from pathlib import Path

import pytest

from reconcile import statefile
from reconcile.errors import StateFileErrors
from reconcile.statefile import bounds, folders

HEAD = 'version = 1\n[account]\nname = "m"\nexchange = "binance"\nposition_mode = "hedge"\n'
HOSTILE = {
    "dotted": ".".join(["a"] * 20_000) + " = 1\n",
    "quoted": ".".join([r'"\""'] * 20_000) + " = 1\n",
    "header": "[" + ".".join(["a"] * 20_000) + "]\n",
    "hexadecimal": "[policy]\nmax_add = 0x" + "f" * 400_000 + "\n",
    "decimal": "[policy]\nmax_add = " + "9" * 400_000 + "\n",
    "fraction": "[policy]\nmax_add = 1." + "9" * 400_000 + "\n",
    "exponent": "[policy]\nmax_add = 1e99999999999999999999\n",
    "many keys": "a = 1\n" * 250_000,
    "deep": "a = " + "[" * 50_000 + "\n",
    "long word": "[policy]\n" + "k" * 400_000 + " = 1\n",
    "escapes": '"\\' * 200_000 + "\n",
    "quotes": '"' * 200_000 + "\n",
    "nested": "".join(f"k{n} = " + "[" * 6 + "]" * 6 + "\n" for n in range(7_000)),
    "nested deeper": "".join(f"k{n} = " + "[" * 300 + "]" * 300 + "\n" for n in range(600)),
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_is_refused_at_once(tmp_path: Path, text: str) -> None:
    path = tmp_path / "m.toml"
    path.write_text(HEAD + text)
    begun = time.process_time()
    with pytest.raises(StateFileErrors) as caught:
        statefile.load([path])
    assert time.process_time() - begun < 2
    assert all(len(str(problem)) < 1_000 for problem in caught.value.problems)


@pytest.mark.parametrize(
    "text", ["# a.b.c.d.e.f.g.h.i.j", 'x = "a.b.c.d.e.f.g.h.i"', '"""\na.b.c.d.e.f.g.h.i.j\n"""', "a.b.c.d = 1"]
)
def test_only_keys_have_parts(text: str) -> None:
    assert bounds.problem(text) is None


def test_a_pipe_a_device_and_a_folder_are_no_state_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.toml"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/zero")):
        with pytest.raises(StateFileErrors, match="not a regular file"):
            statefile.load([path])


# Folders.


def problems_of(*paths: Path) -> list[str]:
    with pytest.raises(StateFileErrors) as caught:
        statefile.load(paths)
    return [str(problem) for problem in caught.value.problems]


def test_a_folder_of_too_many_files_is_refused_and_none_of_them_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "MOST_ENTRIES", 8)
    for number in range(3):
        (tmp_path / f"{number}").mkdir()
        (tmp_path / f"{number}" / "state.toml").write_text("nonsense")
        (tmp_path / f"{number}" / "other").touch()
    message = "more than 8 files and folders in it and below; expected a folder of state files, so name that one"
    assert problems_of(tmp_path) == [f"{tmp_path}: {message}"]


@pytest.mark.parametrize("by_name", [True, False], ids=["named", "in a folder"])
def test_more_state_files_than_the_bound_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, by_name: bool
) -> None:
    monkeypatch.setattr(folders, "MOST_FILES", 2)
    paths = [tmp_path / f"{number}.toml" for number in range(5)]
    for path in paths:
        path.write_text("nonsense")
    message = "more than 2 state files are named; expected fewer, so run for a part of them"
    assert problems_of(*(paths if by_name else [tmp_path])) == [f"{paths[2]}: {message}"]


def test_a_folder_that_lies_too_deep_is_refused(tmp_path: Path) -> None:
    deepest = tmp_path.joinpath(*"abcdefghijklmnop")
    (deepest / "q").mkdir(parents=True)
    (deepest / "q" / "state.toml").touch()
    message = f"more than 16 folders deep in {tmp_path}; expected a folder of state files"
    assert problems_of(tmp_path) == [f"{deepest}: {message}"]


def test_a_link_is_followed_within_its_folder_and_refused_out_of_it(tmp_path: Path) -> None:
    inside, outside = tmp_path / "states", tmp_path / "other"
    (inside / "..2026").mkdir(parents=True)
    outside.mkdir()
    for path in (inside / "..2026" / "main.toml", outside / "secret.toml"):
        path.write_text(HEAD)
    (inside / "main.toml").symlink_to("..2026/main.toml")  # as a mounted ConfigMap has it
    (inside / "folder").symlink_to(outside)
    assert [account.path for account in statefile.load([inside])] == [str(inside / "main.toml")]
    (inside / "secret.toml").symlink_to("../other/secret.toml")
    message = f"a link that leads out of {inside}; expected the state file itself, or name it by itself"
    assert problems_of(inside) == [f"{inside}/secret.toml: {message}"]
    assert [account.name for account in statefile.load([inside / "secret.toml"])] == ["m"]
