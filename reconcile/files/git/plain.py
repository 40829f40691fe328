"""Open a file of a repository: a regular one, never through a link in its last place, never waiting."""

import os
import stat
from pathlib import Path


def open_plain(path: Path) -> int | None:
    """A descriptor of a regular file; None where there is none."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return None
    if stat.S_ISREG(os.fstat(handle).st_mode):
        return handle
    os.close(handle)
    return None


def read_plain(path: Path, limit: int) -> bytes | None:
    """A whole regular file; None where it is none, or longer than ``limit`` bytes."""
    handle = open_plain(path)
    if handle is None:
        return None
    with open(handle, "rb") as file:  # noqa: PTH123 - a descriptor, not a path
        try:
            raw = file.read(limit + 1)
        except OSError:
            return None
        return raw if len(raw) <= limit else None
