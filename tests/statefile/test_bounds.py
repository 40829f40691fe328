"""A state file costs about what a real one of its size costs, whatever is in it, and is a regular file."""

import os
import time
from pathlib import Path

import pytest

from reconcile import statefile
from reconcile.errors import StateFileErrors
from reconcile.statefile import bounds

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
