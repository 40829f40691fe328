"""What a release must pass, in one command: ``python -m tests.release``. It needs a package index.

The sdist and the wheel are built from what Git tracks, each is installed into an empty environment, and the demo runs
there. Then the steps of the Containerfile are run in a folder, for machines without a builder.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONTAINERFILE = ROOT / "docs" / "deploy" / "Containerfile"
_BUILD = "from setuptools import build_meta as b; b.build_sdist('dist'); b.build_wheel('dist')"
_DEMO: Sequence[tuple[int, Sequence[str]]] = (
    (0, ("validate", "demo.toml")),
    (2, ("plan", "demo.toml", "--detailed-exitcode")),
    (0, ("apply", "demo.toml", "--auto-approve")),
    (0, ("plan", "demo.toml", "--detailed-exitcode")),
    (0, ("doctor", "demo.toml")),
    (0, ("explain", "held")),
)
"""Exit codes and words, in order."""


def run(words: Sequence[str | Path], *, cwd: Path, expected: int = 0, home: Path | None = None) -> None:
    """One program; ends this one with its output where it does not end with ``expected``."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("RECONCILE_", "PYTHON"))}
    env |= {} if home is None else {"RECONCILE_HOME": str(home)}
    done = subprocess.run(list(map(str, words)), cwd=cwd, env=env, capture_output=True, text=True, check=False)
    print(f"{'ok' if done.returncode == expected else 'FAILED':6} exit {done.returncode}  {' '.join(map(str, words))}")
    if done.returncode != expected:
        sys.exit(f"{done.stdout}{done.stderr}\nexpected exit {expected}")


def tracked(to: Path) -> Path:
    """A copy of the files that Git tracks."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, to / name)
    return to


def demo(program: Path, folder: Path) -> None:
    """Install nothing, run the demo with that program in a folder of its own."""
    folder.mkdir()
    shutil.copy(ROOT / "states" / "demo.toml", folder)
    for code, words in _DEMO:
        run([program, *words], cwd=folder, expected=code, home=folder / "home")


def steps(text: str) -> list[str]:
    """The RUN lines of a Containerfile's first stage."""
    stage = re.split(r"^FROM ", text, flags=re.MULTILINE)[1]
    return re.findall(r"^RUN (.+)$", stage, flags=re.MULTILINE)


def main() -> None:
    """Check everything; the first failure ends it."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        source = tracked(place / "source")
        run([sys.executable, "-m", "venv", place / "build"], cwd=place)
        pip = ("-m", "pip", "install", "-q", "--disable-pip-version-check")
        run([place / "build/bin/python", *pip, "setuptools>=77"], cwd=place)
        (source / "dist").mkdir()
        run([place / "build/bin/python", "-c", _BUILD], cwd=source)
        for number, artifact in enumerate(sorted((source / "dist").iterdir())):
            env = place / f"env{number}"
            run([sys.executable, "-m", "venv", env], cwd=place)
            run([env / "bin/python", *pip, artifact], cwd=place)
            demo(env / "bin/reconcile", place / f"demo{number}")
        shutil.rmtree(source / "dist")
        for step in steps(CONTAINERFILE.read_text(encoding="utf-8")):
            words = step.replace("/opt/reconcile", str(place / "opt"))
            run(["sh", "-ec", re.sub(r"^python ", f"{sys.executable} ", words)], cwd=source)
        demo(place / "opt/bin/reconcile", place / "demo-container")
    print("the release check passed")


if __name__ == "__main__":
    main()
