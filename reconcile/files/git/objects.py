"""The objects of a repository: loose ones, those in packs, and those of the repositories that it borrows from.

Every object is hashed after it was read: what hangs on the name of a commit is what that commit holds, or an error.
"""

import hashlib
import os
import re
import zlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from reconcile.files.git.packs import MOST_BYTES, GitObject, Pack, damaged
from reconcile.files.git.plain import read_plain
from reconcile.money import whole

SHORTEST_PREFIX = 4
"""Digits of the shortest abbreviation that git takes."""
_MOST_PACKS = 10_000
_MOST_BORROWED = 16
_MOST_ALTERNATES_BYTES = 64 * 1024
_LOOSE = re.compile(rb"(commit|tree|blob|tag) ([0-9]{1,19})\0")
_PACK_INDEX = re.compile(r"pack-[0-9a-f]+\.idx")


def name_of(kind: str, content: bytes, *, width: int) -> str:
    """The name that git gives an object; ``width`` is 20 bytes of SHA-1, or 32 of SHA-256."""
    text = b"%s %d\0%s" % (kind.encode(), len(content), content)
    if width == 20:
        return hashlib.sha1(text, usedforsecurity=False).hexdigest()
    return hashlib.sha256(text).hexdigest()


class Objects:
    """The objects under ``objects/`` of a repository. ``width`` is the bytes of a name."""

    def __init__(self, folder: Path, *, width: int) -> None:
        self._width = width
        self._folders = _with_alternates(folder)
        self._packs = [Pack(index, width=width) for each in self._folders for index in _indexes(each / "pack")]
        self.read = lru_cache(maxsize=1024)(self._read)
        """As ``_read``; the folders near the root lead to every state file."""

    def names(self, prefix: str) -> set[str]:
        """The objects whose name begins so: all there are to tell that it is none, one, or several."""
        loose = (_below(each / prefix[:2]) for each in self._folders)
        found = {prefix[:2] + rest for rests in loose for rest in rests if rest.startswith(prefix[2:])}
        found.update(name for pack in self._packs for name in pack.names(prefix))
        return {name for name in found if re.fullmatch(r"[0-9a-f]+", name) and len(name) == self._width * 2}

    def _read(self, name: str) -> GitObject | None:
        """An object; None where it is not here. Raises InputError where it is damaged, or larger than 64 MiB."""
        found = self._found(name)
        if found is not None and name_of(found.kind, found.content, width=self._width) != name:
            raise damaged(self._folders[0], f"object {name} has other content than its name says")
        return found

    def _found(self, name: str) -> GitObject | None:
        for folder in self._folders:
            loose = self._loose(folder / name[:2] / name[2:])
            if loose is not None:
                return loose
        return next(filter(None, (pack.read(name) for pack in self._packs)), None)

    def _loose(self, path: Path) -> GitObject | None:
        raw = read_plain(path, MOST_BYTES)
        if raw is None:
            return None
        try:
            inflated = zlib.decompressobj().decompress(raw, MOST_BYTES)
        except zlib.error as error:
            raise damaged(path, f"it cannot be inflated ({error})") from error
        head = _LOOSE.match(inflated)
        if head is None or whole(head[2].decode()) != len(inflated) - head.end():
            raise damaged(path, "not an object of at most 64 MiB")
        return GitObject(head[1].decode(), inflated[head.end() :])


def _with_alternates(folder: Path) -> list[Path]:
    """This folder of objects, and those that it borrows from (``info/alternates``)."""
    folders = [folder]
    for each in folders:
        listed = read_plain(each / "info" / "alternates", _MOST_ALTERNATES_BYTES) or b""
        for line in os.fsdecode(listed).splitlines():
            path = each / line
            if line and not line.startswith("#") and path not in folders and len(folders) < _MOST_BORROWED:
                folders.append(path)
    return folders


def _indexes(folder: Path) -> Iterator[Path]:
    names = sorted(name for name in _below(folder) if _PACK_INDEX.fullmatch(name))
    yield from (folder / name for name in names[:_MOST_PACKS])


def _below(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - names only, and none where it is no folder
    except (OSError, ValueError):
        return []
