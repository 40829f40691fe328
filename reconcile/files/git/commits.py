"""A commit by its revision, and the files that it holds."""

import os
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from reconcile.errors import InputError, UsageError
from reconcile.files.git.objects import SHORTEST_PREFIX, Objects, name_of
from reconcile.files.git.packs import GitObject
from reconcile.files.git.refs import HASH, Repository
from reconcile.money import whole

_REVISION = re.compile(r"(?P<base>[^~^:{}\s\\?*\[]+)(?P<steps>(?:\^|~[0-9]{0,4})*)")
_ABBREVIATED = re.compile(rf"[0-9a-f]{{{SHORTEST_PREFIX},64}}")
_HEADER = re.compile(rb"(object|tree|parent) ([0-9a-f]{40}(?:[0-9a-f]{24})?)\n")
_ENTRY = re.compile(rb"([0-7]{5,6}) ([^\0]+)\0")
_FOLDER = "40000"
_MOST_TAGS = 16
_FORMS = "expected a commit's hash, a branch, a tag or HEAD, with ~N or ^ behind it"


class TreeEntry(NamedTuple):
    """One name in a folder of a commit; ``mode`` is git's: 40000 a folder, 100644 and 100755 files, 120000 a link."""

    mode: str
    name: str


class Commit:
    """One commit of a repository, and the files that it holds."""

    def __init__(self, repository: Repository, revision: str) -> None:
        """Raises UsageError for what is no revision, InputError where it names no commit of this repository."""
        self._repository = repository
        self._revision = revision
        found = _REVISION.fullmatch(revision)
        if found is None:
            raise UsageError(f"{revision[:80]!r} is not the name of a commit; {_FORMS}")
        head = repository.head
        self._width = len(head) // 2 if head is not None else 20
        if HASH.fullmatch(found["base"]):
            self._width = len(found["base"]) // 2
        self._objects = Objects(repository.common / "objects", width=self._width)
        self.name = self._ancestor(self._based(found["base"]), found["steps"])
        """Its whole hash."""
        self._folder = lru_cache(maxsize=1024)(self._entries)

    def entry(self, path: str) -> TreeEntry | None:
        """The commit's object at a path below the root, written with ``/``; None for nothing."""
        name, mode = self._root, _FOLDER
        for part in path.split("/") if path else ():
            below = self._folder(name).get(part) if mode == _FOLDER else None
            if below is None:
                return None
            mode, name = below
        return TreeEntry(mode, name)

    def is_content(self, entry: TreeEntry, content: bytes) -> bool:
        """Whether a file of the commit has this content."""
        return name_of("blob", content, width=self._width) == entry.name

    def files(self, path: str, *, most: int) -> Iterator[str]:
        """The files in and below a folder of the commit, hidden ones excepted, as paths below the root.

        Raises InputError where there are more than ``most`` files and folders.
        """
        top = self.entry(path)
        waiting = [(path, top.name)] if top is not None and top.mode == _FOLDER else []
        count = 0
        while waiting:
            place, name = waiting.pop()
            for below, (mode, inner) in self._folder(name).items():
                count += 1
                if count > most:
                    raise InputError(
                        f"{self._doing}: more than {most} files and folders below {path or '.'}; name less"
                    )
                if below.startswith("."):
                    continue
                found = f"{place}/{below}" if place else below
                if mode == _FOLDER:
                    waiting.append((found, inner))
                else:
                    yield found

    @property
    def _doing(self) -> str:
        return f"reading {self._revision[:80]} of the repository at {self._repository.root}"

    @property
    def _root(self) -> str:
        return self._pointer(self._object(self.name), b"tree")

    def _based(self, base: str) -> str:
        """The object that a hash, a ref or an abbreviated hash names."""
        if HASH.fullmatch(base):
            return base
        found = self._repository.ref(base)
        if found is None and _ABBREVIATED.fullmatch(base):
            names = self._objects.names(base)
            if len(names) > 1:
                raise InputError(f"{self._doing}: several objects have a name that begins so; write more of it")
            found = next(iter(names), None)
        if found is None or len(found) != self._width * 2:
            raise self._missing("no such commit, branch or tag")
        return found

    def _ancestor(self, name: str, steps: str) -> str:
        """The commit that a name and ``~N`` and ``^`` behind it mean: first parents."""
        name = self._peeled(name)
        for step in re.findall(r"\^|~[0-9]*", steps):
            for _ in range(whole(step[1:] or "1")):
                parents = self._pointers(self._object(name), b"parent")
                if not parents:
                    raise self._missing("its history is shorter than that")
                name = self._peeled(parents[0])
        return name

    def _peeled(self, name: str) -> str:
        """The commit itself, where a tag names it."""
        for _ in range(_MOST_TAGS):
            found = self._object(name)
            if found.kind != "tag":
                break
            name = self._pointer(found, b"object")
        if found.kind != "commit":
            raise InputError(f"{self._doing}: it names a {found.kind}; {_FORMS}")
        return name

    def _object(self, name: str) -> GitObject:
        found = self._objects.read(name)
        if found is None:
            raise self._missing(f"object {name[:12]} is not in this clone")
        return found

    def _missing(self, why: str) -> InputError:
        if not self._revision.strip("0"):
            return InputError(f"{self._doing}: a forge writes zeros for 'no commit before', so plan everything instead")
        if self._repository.is_shallow:
            return InputError(
                f"{self._doing}: {why}; this clone is shallow: fetch its history first "
                "('git fetch --unshallow', fetch-depth: 0)"
            )
        return InputError(f"{self._doing}: {why}; 'git rev-parse' names a commit, 'git fetch' brings a missing one")

    def _pointer(self, found: GitObject, key: bytes) -> str:
        pointers = self._pointers(found, key)
        if not pointers:
            raise InputError(f"{self._doing}: a {found.kind} names no {key.decode()}; check it with 'git fsck'")
        return pointers[0]

    def _pointers(self, found: GitObject, key: bytes) -> list[str]:
        """The objects that the head of a commit or tag names under a key."""
        names, place = [], 0
        while (line := _HEADER.match(found.content, place)) is not None:
            place = line.end()
            if line[1] == key:
                names.append(line[2].decode())
        return names

    def _entries(self, name: str) -> dict[str, TreeEntry]:
        """A folder of the commit by name; a file name that is not UTF-8 is read as the file system is."""
        found = self._object(name)
        entries: dict[str, TreeEntry] = {}
        place = 0
        while place < len(found.content):
            line = _ENTRY.match(found.content, place)
            if found.kind != "tree" or line is None:
                raise InputError(f"{self._doing}: object {name[:12]} is no folder; check it with 'git fsck'")
            place = line.end() + self._width
            entry = TreeEntry(line[1].decode().lstrip("0"), found.content[line.end() : place].hex())
            entries[os.fsdecode(line[2])] = entry
        return entries
