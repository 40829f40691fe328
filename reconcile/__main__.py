"""``python -m reconcile`` and the console script: the command line as a process of its own.

Nearly all that a command makes lives to its end, and looking through it for garbage was a fifth of a short command. So
that is made rare while it runs, and left out when the interpreter goes. Nor are plug-ins of pydantic looked for among
all that is installed: nobody else's code has a place in the reading of state files.
"""

import gc
import os
from typing import Any

from reconcile import cli

GARBAGE_AFTER = 1_000_000
"""How many new objects there must be before they are looked through: more than planning 50,000 targets makes. Only
cycles wait for it, and there are hardly any: an apply of 20,000 changes leaves five objects in one."""


def main() -> Any:
    """Run the command line; never returns, its exit code is the contract's."""
    gc.set_threshold(GARBAGE_AFTER)
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    try:
        return cli.main()
    finally:
        gc.freeze()


if __name__ == "__main__":
    main()
