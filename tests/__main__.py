"""Everything that must hold, in one command: ``python -m tests``. Format, lint, types, tests, coverage of the core.

Each step is what a contributor would type; all of them run, and the last line says which failed.
"""

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CORE = ("money", "model/account", "model/plan", "model/ledger", "planning/*", "protocol/lifecycle", "evidence/verdict")
"""The pure core: every branch of it is run by its own tests."""

_INCLUDE = ",".join(f"reconcile/{name}.py" for name in CORE)
_CORE_TESTS = ["tests/test_money.py", *(f"tests/{name}" for name in ("model", "planning", "protocol", "evidence"))]
STEPS: tuple[tuple[str, list[str]], ...] = (
    ("format", ["ruff", "format", "--check", "--quiet", "."]),
    ("lint", ["ruff", "check", "--quiet", "."]),
    ("types", ["mypy"]),
    ("tests", ["pytest"]),
    ("branches of the core", ["coverage", "run", "--branch", "-m", "pytest", *_CORE_TESTS]),
    ("core at 100 %", ["coverage", "report", "--fail-under=100", f"--include={_INCLUDE}"]),
)


def main() -> int:
    """Run every step; 0 when all passed."""
    failed = []
    for name, command in STEPS:
        print(f"== {name}: {' '.join(command[:3])} ...", flush=True)
        begun = time.monotonic()
        code = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, check=False).returncode
        print(f"== {name}: {'passed' if code == 0 else 'FAILED'} in {time.monotonic() - begun:.0f} s", flush=True)
        if code:
            failed.append(name)
    print(f"== failed: {', '.join(failed)}" if failed else "== everything passed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
