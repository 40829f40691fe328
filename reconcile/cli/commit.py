"""The commit that state files are checked out from, and a file's place in its repository. No program is started."""

import os
from collections.abc import Sequence
from pathlib import Path

from reconcile.files.git.refs import Repository


def commit_of(paths: Sequence[str]) -> str | None:
    """The commit checked out where the first path is; None outside a working tree. For the record, never compared."""
    if not paths:
        return None
    first = Path(os.path.realpath(paths[0]))
    repository = Repository.around(first if first.is_dir() else first.parent)
    return None if repository is None else repository.head


def place_of(path: str) -> str:
    """A path as a forge knows it: relative to the root of the working tree around it; as it is outside of one."""
    real = Path(os.path.realpath(path))
    for above in real.parents:
        if os.path.lexists(above / ".git"):
            return real.relative_to(above).as_posix()
    return path
