"""Errors of the disk about a journal, each with what to do about it."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reconcile.errors import JournalError

_NO_LOCKS = "it has no file locks, as some network disks: use a local disk (--home), or --journal postgresql://..."
_ADVICE = {
    errno.ENOSPC: "make room on the disk",
    errno.EDQUOT: "make room within your quota",
    errno.EROFS: "choose a home that can be written (--home)",
    errno.EACCES: "choose a home that is yours (--home), or correct its permissions",
    errno.EPERM: "choose a home that is yours (--home), or let no other user write there (chmod go-w)",
    errno.EINVAL: "put the file itself there",
    errno.ENOTDIR: "choose a home that is a folder (--home)",
    errno.EEXIST: "choose a home that is a folder (--home)",
    errno.ENOLCK: _NO_LOCKS,
    errno.ENOTSUP: _NO_LOCKS,
    errno.ELOOP: "put the file or folder itself there, not a link to it",
}


@contextmanager
def explained(doing: str, path: Path) -> Iterator[None]:
    """Turn an OSError into a JournalError that names the action, the file, the cause and the remedy."""
    try:
        yield
    except OSError as error:
        advice = _ADVICE.get(error.errno or 0, "check the disk")
        raise JournalError(f"{doing}: {error.filename or path}: {error.strerror or error}; {advice}") from error
