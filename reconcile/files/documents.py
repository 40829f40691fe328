"""Files that the program writes when asked to: whole or not at all, and nowhere but where the path says.

A path may lead through a checkout. A pull request can commit a symbolic link in place of the file or of any folder
above it. So no link is followed, except those of the system itself (``/tmp`` on macOS, ``/home`` on many servers). The
content is written beside its place and renamed into it, relative to the opened folder. A link that appears meanwhile is
replaced and never followed.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

from reconcile.errors import InputError

_PRIVATE = 0o600
_PUBLIC = 0o666
"""Before the umask."""
_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC
"""To pass through a folder needs no permission to list it."""
_SYSTEM = ("/", "/var", "/home", "/Users")
"""Where root may write links that are no pull request's, although root is who runs the program."""
_MOST_LINKS = 8
_NO_FILE = "it cannot be a file there; name a file in an existing folder"
_TAKEN = "it is there already; name another file, or move it away first"


class _Unfit(Exception):
    """The problem with a place, and the kind of place to name instead."""


def check(file: str) -> None:
    """Raises InputError where ``write`` would refuse the place, so that it is known before any work is done."""
    with _place(file) as (folder, name):
        _replaceable(folder, name)


def write(file: str, text: str) -> None:
    """Replace the file's content at one instant; raises InputError and leaves the old content where it cannot.

    Only a regular file of this user is replaced; root may replace anyone's. ``/dev/null`` takes everything.
    """
    with _place(file) as (folder, name):
        if _replaceable(folder, name):
            _put(folder, name, _bytes(text), mode=_PUBLIC)


def create(file: str, text: str) -> None:
    """A file that was not there before; raises InputError where something is, a dangling link included."""
    with _place(file) as (folder, name):
        if _status(folder, name) is not None:
            raise _Unfit(_TAKEN)
        try:
            _put(folder, name, _bytes(text), mode=_PUBLIC, new=True)
        except FileExistsError as error:
            raise _Unfit(_TAKEN) from error


def replace_private(path: Path, content: bytes) -> None:
    """Replace a file that the program keeps for itself, readable by this user only; raises OSError.

    The user chose its folder for the program, so links to the folder are followed. A link in the place of the file is
    replaced.
    """
    folder = os.open(path.parent, _FOLDER)
    try:
        _put(folder, path.name, content, mode=_PRIVATE)
    finally:
        os.close(folder)


@contextmanager
def _place(file: str) -> Iterator[tuple[int, str]]:
    """The opened folder of a file, and its name in there; every error becomes an InputError that names the file."""
    try:
        above, name = _split(file)
        folder = _opened(above)
        try:
            yield folder, name
        finally:
            os.close(folder)
    except _Unfit as error:
        raise InputError(f"writing {file}: {error}") from error
    except FileNotFoundError as error:
        above = file.rpartition("/")[0]
        raise InputError(
            f"writing {file}: the folder {above} does not exist; make it first: mkdir -p {above}"
        ) from error
    except (NotADirectoryError, IsADirectoryError) as error:
        raise InputError(f"writing {file}: {_NO_FILE}") from error
    except OSError as error:
        raise InputError(f"writing {file}: {error.strerror or error}; name a file that can be written") from error


def _split(file: str) -> tuple[str, str]:
    """The folder of a file, with its slash, and the file's name in there; raises _Unfit for a folder's path."""
    name = file.rpartition("/")[2]
    if name in {"", ".", ".."}:
        raise _Unfit(_NO_FILE)
    return file.removesuffix(name), name


def _opened(path: str) -> int:
    """The folder of that path, empty for the present one, reached through no link of a checkout."""
    handle = os.open("/" if path.startswith("/") else ".", _FOLDER)
    rest = _names(path)
    links = 0
    try:
        while rest:
            name = rest.pop()
            target = _target(handle, name, links=links)
            links += target is not None
            if target is None:
                onward = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=handle)
            else:
                rest += _names(target)
                onward = os.open("/", _FOLDER) if target.startswith("/") else os.dup(handle)
            os.close(handle)
            handle = onward
    except BaseException:
        os.close(handle)
        raise
    return handle


def _target(folder: int, name: str, *, links: int) -> str | None:
    """The target of a link of the system, None for anything but a link; raises _Unfit for every other link."""
    found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if not stat.S_ISLNK(found.st_mode):
        return None
    if links >= _MOST_LINKS or not _is_of_system(found, folder):
        raise _Unfit(f"the folder {name} is a symbolic link; name the folder that it leads to")
    return os.readlink(name, dir_fd=folder)


def _names(path: str) -> list[str]:
    """The parts of a path, the last first."""
    return [name for name in reversed(path.split("/")) if name not in {"", "."}]


def _is_of_system(link: os.stat_result, folder: int) -> bool:
    """Whether only root can have made a link; for root, whose checkouts are root's too, whether it is a known place."""
    around = os.fstat(folder)
    if link.st_uid != 0 or around.st_uid != 0 or around.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return False
    return os.geteuid() != 0 or any(_is_same(around, path) for path in _SYSTEM)


def _is_same(folder: os.stat_result, path: str) -> bool:
    try:
        other = os.lstat(path)
    except OSError:
        return False
    return (folder.st_dev, folder.st_ino) == (other.st_dev, other.st_ino)


def _status(folder: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _replaceable(folder: int, name: str) -> bool:
    """Whether there is something to write; raises _Unfit for what is no regular file of this user."""
    found = _status(folder, name)
    if found is None:
        return True
    if stat.S_ISCHR(found.st_mode) and found.st_rdev == os.lstat(os.devnull).st_rdev:
        return False
    if stat.S_ISDIR(found.st_mode):
        raise _Unfit(_NO_FILE)
    if stat.S_ISLNK(found.st_mode):
        raise _Unfit("it is a symbolic link; name the file that it leads to, or another one")
    if not stat.S_ISREG(found.st_mode):
        raise _Unfit("it is not a regular file; name a regular file, or one that is not there yet")
    if os.geteuid() not in {0, found.st_uid}:
        raise _Unfit(f"it belongs to another user (uid {found.st_uid}); name a file of your own")
    return True


def _bytes(text: str) -> bytes:
    """UTF-8; what came from a file name that is none is shown as an escape."""
    return text.encode("utf-8", "backslashreplace")


def _put(folder: int, name: str, content: bytes, *, mode: int, new: bool = False) -> None:
    """Write beside, flush, give it its name, flush the folder; ``new``: FileExistsError where the name is taken."""
    beside = f".{token_hex(8)}.part"
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=folder)
    try:
        with open(handle, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
            file.write(content)
            file.flush()
            os.fsync(handle)
        if new:
            os.link(beside, name, src_dir_fd=folder, dst_dir_fd=folder)
            os.unlink(beside, dir_fd=folder)
        else:
            os.replace(beside, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        _forget(folder, beside)
        raise
    _flush(folder)


def _forget(folder: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return


def _flush(folder: int) -> None:
    """Keep the name through a power cut, where the folder can be flushed; its content is there already."""
    try:
        handle = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)
    except OSError as error:
        if error.errno in {errno.EACCES, errno.EPERM}:  # a folder that may be written and not listed
            return
        raise
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:  # file systems that flush no folders
            raise
    finally:
        os.close(handle)
