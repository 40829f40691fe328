"""Read a file that another person may have put there: only a regular file, and only so many bytes.

A pipe would hold the program until someone writes to it, and a device such as ``/dev/zero`` never ends.
"""

import os
import stat
from pathlib import Path


def read(path: Path, *, most: int) -> bytes:
    """The content of a regular file, cut after ``most`` + 1 bytes, so that the caller can tell it is too long.

    Raises OSError, also for anything that is no regular file.
    """
    return read_with_status(path, most=most)[0]


def read_with_status(path: Path, *, most: int, follow: bool = True) -> tuple[bytes, os.stat_result]:
    """As ``read``, with the status of the very file that was read; without ``follow`` a link is an OSError."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
    try:
        handle = os.open(path, flags if follow else flags | os.O_NOFOLLOW)
    except ValueError as error:  # a zero byte, or half a surrogate pair
        raise OSError(0, "not a path") from error
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        os.close(handle)  # a folder cannot even be opened as a file
        raise OSError(0, "not a regular file")
    with open(handle, "rb") as file:  # noqa: PTH123 - a descriptor, not a path
        return file.read(most + 1), status
