"""The accounts whose files are not as they were at a commit.

A file is compared by its bytes as they are now, committed or not, with what the commit holds at its path. A file that
the commit does not have counts as changed, and so does one that is reached through a link inside the working tree. One
account too many costs a read; one left out would hide a change. No program is started (``files/git``).
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from reconcile.errors import InputError
from reconcile.files import regular
from reconcile.files.git.commits import Commit
from reconcile.files.git.refs import Repository
from reconcile.model.account import DesiredAccount
from reconcile.model.plan import SinceCommit
from reconcile.statefile.files import MAX_BYTES
from reconcile.statefile.folders import MOST_ENTRIES

_DOING = "--changed-since"


def changed_since(revision: str, accounts: Sequence[DesiredAccount], paths: Sequence[str]) -> SinceCommit:
    """The accounts that a plan of changed files leaves out. ``paths`` are those that were named.

    Raises UsageError for what is no revision, and InputError where there is no repository or no such commit.
    """
    known = _Commits(revision)
    unchanged = [account.name for account in accounts if not any(map(known.differs, files_of(account)))]
    deleted = sorted({file for path in paths for file in known.deleted(path)})
    if not known.names:
        raise InputError(f"{_DOING} {revision}: no file to compare; name a state file or a folder of a checkout")
    if len(known.names) > 1:
        raise InputError(
            f"{_DOING} {revision}: the state files are in several repositories, where it names different commits; "
            "plan each repository by itself"
        )
    return SinceCommit(
        commit=known.names.pop(),
        unchanged=tuple(unchanged),
        deleted=tuple(os.fsencode(file).decode("utf-8", "backslashreplace") for file in deleted),
    )


def files_of(account: DesiredAccount) -> Iterator[str]:
    """Every file that an account is declared in."""
    yield account.path
    yield from (file.path for file in account.includes)


class _Commits:
    """The commit that a revision names, in each repository of the files."""

    def __init__(self, revision: str) -> None:
        self._revision = revision
        self._commits: dict[Path, Commit] = {}

    @property
    def names(self) -> set[str]:
        """The commits that were met."""
        return {commit.name for commit in self._commits.values()}

    def differs(self, file: str) -> bool:
        """Whether a file is not what the commit has at its path."""
        commit, path, is_plain = self._place(file)
        entry = commit.entry(path)
        if entry is None or not is_plain:
            return True
        try:
            content = regular.read(Path(file), most=MAX_BYTES)
        except OSError:
            return True  # it was there a moment ago, so something changes right now
        return not commit.is_content(entry, content)

    def deleted(self, path: str) -> Iterator[str]:
        """The state files that the commit has in or below a folder and that are not there any more."""
        if not Path(path).is_dir():
            return
        commit, place, _ = self._place(path)
        for file in commit.files(place, most=MOST_ENTRIES):
            shown = path / PurePosixPath(file).relative_to(place)
            if file.endswith(".toml") and not os.path.lexists(shown):
                yield str(shown)

    def _place(self, path: str) -> tuple[Commit, str, bool]:
        """The commit in the path's repository, the path from its root, and whether no link leads on from there."""
        absolute = Path(os.path.abspath(path))  # noqa: PTH100 - a link in it is to be seen, not followed
        real = Path(os.path.realpath(path))
        for each in (absolute, real):
            repository = Repository.around(each if each.is_dir() else each.parent)
            if repository is not None:
                inside = each.relative_to(repository.root)
                is_plain = real == Path(os.path.realpath(repository.root), inside)
                return self._commit(repository), "" if inside == Path() else inside.as_posix(), is_plain
        raise InputError(f"{_DOING} {self._revision}: {path} is in no git repository; leave the option out")

    def _commit(self, repository: Repository) -> Commit:
        found = self._commits.get(repository.root)
        if found is None:
            found = self._commits.setdefault(repository.root, Commit(repository, self._revision))
        return found
