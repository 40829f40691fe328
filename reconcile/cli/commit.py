"""The commit that state files are checked out from, read from git's own files: no program is started.

A state folder may come from a pull request, and git runs commands that a repository's configuration names. So only the
files that say which commit is checked out are read here: ``.git``, ``HEAD``, ``commondir``, refs and ``packed-refs``
(their forms: gitrepository-layout(5)). Each read is bounded and of a regular file only. Whatever is unusual, reftables
included, leaves the commit out of the record.
"""

import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path

_SHORT = 4096
"""Bytes of a HEAD, a ref or a file that names a folder: git's own are far shorter."""
_PACKED = 16 * 1024 * 1024
"""Bytes of packed-refs: some two hundred thousand refs."""
_MOST_REFS = 5
"""How many symbolic refs follow one another; git's own limit."""
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_REF = re.compile(r"refs(?:/[0-9A-Za-z_+@#=,-][0-9A-Za-z._+@#=,-]*)+")


def commit_of(paths: Sequence[str]) -> str | None:
    """The commit checked out where the first path is; None outside a working tree. For the record, never compared."""
    if not paths:
        return None
    first = Path(os.path.realpath(paths[0]))
    folder = _repository(first if first.is_dir() else first.parent)
    if folder is None:
        return None
    word = _line(folder / "HEAD")
    for _ in range(_MOST_REFS):
        if word is None or _COMMIT.fullmatch(word):
            return word
        ref = word.removeprefix("ref:").strip()
        if ref == word or not _REF.fullmatch(ref):
            return None
        word = _resolved(folder, ref)
    return None


def place_of(path: str) -> str:
    """A path as a forge knows it: relative to the root of the working tree around it; as it is outside of one."""
    real = Path(os.path.realpath(path))
    for above in real.parents:
        if os.path.lexists(above / ".git"):
            return real.relative_to(above).as_posix()
    return path


def _repository(folder: Path) -> Path | None:
    """The repository of the working tree around a folder: ``.git``, or the folder that a file ``.git`` names."""
    for above in (folder, *folder.parents):
        entry = above / ".git"
        try:
            mode = os.lstat(entry).st_mode
        except OSError:
            continue
        if stat.S_ISDIR(mode):
            return entry
        return _named(above, _line(entry), "gitdir:")
    return None


def _resolved(folder: Path, ref: str) -> str | None:
    """What a ref holds: its own file, or its line in packed-refs; a further worktree shares those of the first."""
    common = _named(folder, _line(folder / "commondir"), "") or folder
    loose = _line(folder / ref) or _line(common / ref)
    if loose is not None:
        return loose
    for line in (_text(common / "packed-refs", _PACKED) or "").splitlines():
        commit, _, name = line.partition(" ")
        if name == ref:
            return commit
    return None


def _named(base: Path, line: str | None, mark: str) -> Path | None:
    """The folder that a line names after ``mark``, seen from ``base``."""
    if line is None or not line.startswith(mark):
        return None
    return base / line.removeprefix(mark).strip()


def _line(path: Path) -> str | None:
    """A file that is one line; None where it is empty, longer, or not there."""
    text = (_text(path, _SHORT) or "").rstrip("\r\n")
    return text if text and "\n" not in text else None


def _text(path: Path, limit: int) -> str | None:
    """A whole regular file; None where it is none, longer than ``limit`` bytes, or not UTF-8. Never waits."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return None
    with open(handle, "rb") as file:  # noqa: PTH123 - a descriptor, not a path
        try:
            raw = file.read(limit + 1) if stat.S_ISREG(os.fstat(handle).st_mode) else b""
            return raw.decode("utf-8") if len(raw) <= limit else None
        except (OSError, UnicodeDecodeError):
            return None
