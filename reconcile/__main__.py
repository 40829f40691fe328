"""``python -m reconcile`` and the console script: the command line as a process of its own.

Nearly all that a command makes lives to its end, and looking through it for garbage was a fifth of a short command. So
that is made rare while it runs, and left out when the interpreter goes. Nor are plug-ins of pydantic looked for among
all that is installed: no other code takes part in reading state files.
"""

import gc
import os
import sys
from importlib.util import find_spec
from typing import NoReturn

from reconcile import cli

NO_LOCKS = (
    "reconcile: this system has no POSIX file locks (Python's fcntl), which keep two runs off one account; "
    "run it on Linux or macOS, or in WSL or a container\n"
)
GARBAGE_AFTER = 1_000_000
"""How many new objects there must be before they are looked through: more than planning 50,000 targets makes. Only
cycles wait for it, and there are hardly any: an apply of 20,000 changes leaves five objects in one."""


def main() -> NoReturn:
    """Run the command line and end the process with the contract's exit code, at once.

    By now the output is written, the journal is flushed and the lock is released. The interpreter would still wait for
    every thread, even for one that hangs on a socket. It would also fail at the end if stdout or stderr fails.
    """
    _fill_closed_streams()
    if find_spec("fcntl") is None:
        sys.stderr.write(NO_LOCKS)
        sys.exit(1)
    gc.set_threshold(GARBAGE_AFTER)
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    try:
        cli.main()
    except SystemExit as ended:
        os._exit(ended.code if isinstance(ended.code, int) else 1)
    os._exit(0)


def _fill_closed_streams() -> None:
    """Put the null device where stdin, stdout or stderr was closed by whoever started us.

    Else the next file that is opened gets its number, and a line for a person could go into a journal.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            os.set_inheritable(number, True)  # noqa: FBT003 - the library's signature
            setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False))


if __name__ == "__main__":
    main()
