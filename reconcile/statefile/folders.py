"""Find the state files of a folder. The search is bounded, and reads nothing outside of the folder.

Without bounds, ``validate /`` would read the whole machine, and a link in a pull request would lead to any file on it.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from reconcile.errors import Problem

MOST_ENTRIES = 100_000
"""No more files and folders are looked at in one invocation."""
MOST_FILES = 10_000
"""No invocation reads more state files."""
MOST_LEVELS = 16
"""No folder is searched further below the one that was named."""


class FolderSearch:
    """Finds the state files below folders: ``*.toml``, hidden files and folders excepted.

    One search serves an invocation, so its bounds hold for all the folders that were named together. What cannot be
    read, and what is beyond a bound, becomes one of ``problems``.
    """

    def __init__(self, problems: list[Problem]) -> None:
        self._problems = problems
        self._entries = 0
        self._files = 0

    @property
    def is_over(self) -> bool:
        """Whether a bound ended the search: then what it found is not all there is."""
        return self._entries > MOST_ENTRIES or self._files > MOST_FILES

    def below(self, folder: Path) -> Iterator[Path]:
        """The state files in and below a folder, in a stable order.

        A link to a folder is not followed. A link to a state file is, unless the file lies outside ``folder``. That is
        a problem, since leaving it out would silently undeclare its positions.
        """
        yield from self._below(folder, folder, os.path.realpath(folder), level=0)

    def count(self, path: Path) -> None:
        """Count one state file toward the bound."""
        self._files += 1
        if self._files == MOST_FILES + 1:
            self._say(path, f"more than {MOST_FILES} state files are named; expected fewer, so run for a part of them")

    def _below(self, top: Path, folder: Path, real_top: str, *, level: int) -> Iterator[Path]:
        files, folders = self._entries_of(top, folder)
        for path in files:
            target = os.path.realpath(path)
            if path.is_symlink() and os.path.commonpath([real_top, target]) != real_top:
                self._say(path, f"a link that leads out of {top}; expected the state file itself, or name it by itself")
                continue
            self.count(path)
            if self.is_over:
                return
            yield path
        if folders and level == MOST_LEVELS:
            self._say(folder, f"more than {MOST_LEVELS} folders deep in {top}; expected a folder of state files")
            return
        for path in folders:
            if self.is_over:
                return
            yield from self._below(top, path, real_top, level=level + 1)

    def _entries_of(self, top: Path, folder: Path) -> tuple[list[Path], list[Path]]:
        """The state files and the folders that a folder holds, both sorted."""
        files: list[Path] = []
        folders: list[Path] = []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    self._entries += 1
                    if self._entries > MOST_ENTRIES:
                        message = f"more than {MOST_ENTRIES} files and folders in it and below; expected a folder of "
                        self._say(top, f"{message}state files, so name that one")
                        return [], []
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(folder / entry.name)
                    elif entry.name.endswith(".toml") and not entry.is_dir():
                        files.append(folder / entry.name)
        except OSError as error:
            self._say(folder, f"cannot be read ({error.strerror}); expected a readable folder")
        return sorted(files), sorted(folders)

    def _say(self, path: Path, message: str) -> None:
        self._problems.append(Problem(file=str(path), line=None, key="", message=message))
