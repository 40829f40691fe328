"""The repository around a file, and what its refs hold, read from git's own files.

A state folder may come from a pull request, and git runs commands that a repository's configuration names. So no git is
started: ``.git``, ``HEAD``, ``commondir``, refs and ``packed-refs`` are read here (forms: gitrepository-layout(5)).
Each read is bounded and of a regular file only. Whatever is unusual, reftables included, reads as nothing.
"""

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from reconcile.files.git.plain import read_plain

HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
"""The whole name of an object, of SHA-1 or SHA-256."""

_SHORT = 4096
"""Bytes of a HEAD, a ref or a file that names a folder: git's own are far shorter."""
_PACKED = 16 * 1024 * 1024
"""Bytes of packed-refs: some two hundred thousand refs."""
_MOST_REFS = 5
"""How many symbolic refs follow one another; git's own limit."""
_REF = re.compile(r"refs(?:/[0-9A-Za-z_+@#=,-][0-9A-Za-z._+@#=,-]*)+")
_SHORTHANDS = ("refs/{}", "refs/tags/{}", "refs/heads/{}", "refs/remotes/{}", "refs/remotes/{}/HEAD")
"""The places where git looks for a short name, in this order (gitrevisions(7))."""


@dataclass(frozen=True, slots=True)
class Repository:
    """The repository of the working tree at ``root``: ``folder`` is its own, ``common`` what its worktrees share."""

    root: Path
    folder: Path
    common: Path

    @classmethod
    def around(cls, place: Path) -> "Repository | None":
        """The repository of the working tree that a folder is in, or is; None where there is none."""
        for above in (place, *place.parents):
            entry = above / ".git"
            try:
                mode = os.lstat(entry).st_mode
            except (OSError, ValueError):
                continue
            folder = entry if stat.S_ISDIR(mode) else _named(above, _line(entry), "gitdir:")
            return (
                None
                if folder is None
                else cls(above, folder, _named(folder, _line(folder / "commondir"), "") or folder)
            )
        return None

    @property
    def head(self) -> str | None:
        """The commit that is checked out; None before the first one."""
        return self._followed(_line(self.folder / "HEAD"))

    @property
    def is_shallow(self) -> bool:
        """Whether it was cloned without its whole history."""
        return os.path.lexists(self.common / "shallow")

    def ref(self, name: str) -> str | None:
        """The object that a ref names, as ``main``, ``origin/main``, ``v1.0`` or ``refs/heads/main``; None for none."""
        if name == "HEAD":
            return self.head
        for form in ("{}", *_SHORTHANDS):
            whole = form.format(name)
            if _REF.fullmatch(whole):
                found = self._followed(self._value(whole))
                if found is not None:
                    return found
        return None

    def _followed(self, word: str | None) -> str | None:
        """The object behind a ref's value, which may name another ref."""
        for _ in range(_MOST_REFS):
            if word is None or HASH.fullmatch(word):
                return word
            ref = word.removeprefix("ref:").strip()
            if ref == word or not _REF.fullmatch(ref):
                return None
            word = self._value(ref)
        return None

    def _value(self, ref: str) -> str | None:
        """The content of a ref: its own file, or its line in packed-refs; further worktrees share the first one's."""
        loose = _line(self.folder / ref) or _line(self.common / ref)
        if loose is not None:
            return loose
        for line in (_text(self.common / "packed-refs", _PACKED) or "").splitlines():
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
    raw = read_plain(path, limit)
    try:
        return None if raw is None else raw.decode("utf-8")
    except UnicodeDecodeError:
        return None
