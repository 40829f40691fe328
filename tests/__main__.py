"""Everything that must hold, in one command: ``python -m tests``; ``--fast`` leaves out what takes minutes.

Format, lint, dead code, types, tests, branches of the pure core. Each step is what a contributor would type; all run,
and the last line says which failed.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CORE = ("money", "model/*", "planning/*", "evidence/*", "protocol/*")
"""The pure core and the protocol: their own tests run every branch."""

_INCLUDE = ",".join(f"reconcile/{name}.py" for name in CORE)
_CORE_TESTS = [
    *(
        f"tests/{name}"
        for name in ("test_money.py", "model", "planning", "protocol", "evidence", "render/report/test_report.py")
    ),
    *(f"tests/usecases/test_{name}.py" for name in ("bands", "doctor", "holds", "internal_errors", "rehearse")),
]
_CHECKS: tuple[tuple[str, list[str]], ...] = (
    ("format", ["ruff", "format", "--check", "--quiet", "."]),
    ("lint", ["ruff", "check", "--quiet", "."]),
    ("dead code", ["vulture", "reconcile", "--min-confidence", "100"]),
    ("types", ["mypy"]),
)
_SIDE_BY_SIDE = ["-n", "2", "--dist", "worksteal"]
"""Two workers: one for each core of a small machine."""
SLOW = ("simulation", "conformance", "journal", "cli", "peers", "fuzz", "test_gitops.py")
"""What ``--fast`` leaves out: simulated worlds, real processes and sockets, PostgreSQL."""
FULL = (
    *_CHECKS,
    ("tests", ["pytest", *_SIDE_BY_SIDE]),
    ("branches of the core", ["coverage", "run", "--branch", "-m", "pytest", *_CORE_TESTS]),
    ("core at 100 %", ["coverage", "report", "--fail-under=100", f"--include={_INCLUDE}"]),
)
FAST = (*_CHECKS, ("unit tests", ["pytest", *_SIDE_BY_SIDE, *(f"--ignore=tests/{name}" for name in SLOW)]))


def main() -> int:
    """Run every step; 0 when all passed."""
    parser = argparse.ArgumentParser(prog="python -m tests", description="Run every check of this repository.")
    parser.add_argument("--fast", action="store_true", help=f"leave out {', '.join(SLOW)}")
    failed = []
    for name, command in FAST if parser.parse_args().fast else FULL:
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
