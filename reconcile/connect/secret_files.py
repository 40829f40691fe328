"""Read a file that holds a secret, unless another user of the machine could have changed it.

Containers often mount secrets so that every user can read them: Kubernetes with mode 0644 behind a link ``..data``,
Docker with mode 0444. A file like that is read with a warning. Links are followed.
"""

import os
import stat
from collections.abc import Callable, Iterable
from pathlib import Path

from reconcile.files import regular

MAX_BYTES = 8_192
"""Far longer than any key: a wrong path must not be read into memory."""
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_Folders = dict[Path, os.stat_result]
_TRIES = 3
"""Kubernetes swaps the folder behind ``..data`` when a secret changes; what was in the old one is gone then."""


def read(path: Path, warn: Callable[[str], None]) -> bytes | None:
    """The file's content; None where there is no file.

    ``warn`` gets one line for each thing that is not as it should be. Raises ValueError, with the file and what to do,
    for one that others may write, is not regular, is too long or cannot be read.
    """
    try:
        content, status, folders = _read(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ValueError(
            f"{path} cannot be read ({error.strerror}); name a regular file that this user can read"
        ) from error
    if len(content) > MAX_BYTES:
        raise ValueError(f"{path} is longer than {MAX_BYTES} bytes; name a file with nothing but the secret")
    _refuse_what_others_write(path, status, folders)
    for line in _warnings(path, status, folders):
        warn(line)
    return content


def _read(path: Path) -> tuple[bytes, os.stat_result, _Folders]:
    """The content and status of the file, and the folders of the path and of the file it leads to (that one last)."""
    tries = _TRIES
    while True:
        try:
            content, status = regular.read_with_status(path, most=MAX_BYTES)
            real = path.resolve(strict=True)
            return content, status, {folder: folder.stat() for folder in (path.parent, real.parent)}
        except FileNotFoundError:
            tries -= 1
            if not tries or not os.path.lexists(path):
                raise


def _refuse_what_others_write(path: Path, status: os.stat_result, folders: _Folders) -> None:
    if status.st_mode & _OTHERS_WRITE:
        raise ValueError(f"{path} may be written by others (mode {_mode(status)}); run 'chmod go-w' on it")
    for folder, around in folders.items():
        if not around.st_mode & _OTHERS_WRITE:
            continue
        if not around.st_mode & stat.S_ISVTX:
            raise ValueError(
                f"{path} may be replaced by others, who may write into the folder {folder} (mode {_mode(around)}); "
                "run 'chmod go-w' on the folder"
            )
        owner = _stranger((status, os.lstat(path)))
        if owner is not None:
            raise ValueError(
                f"{path} may come from another user (uid {owner}), since all may write into the folder {folder}; keep "
                "secrets in a folder of this user's own"
            )


def _warnings(path: Path, status: os.stat_result, folders: _Folders) -> Iterable[str]:
    owner = _stranger((status, *folders.values()))
    if owner is not None:
        ours = f"root or to this user (uid {os.geteuid()})"
        yield f"{path} may be changed by uid {owner}, who owns it or its folder; give both to {ours}"
    around = [*folders.values()][-1]
    readers = status.st_mode & (around.st_mode << 2) & (stat.S_IRGRP | stat.S_IROTH)
    if readers and not _is_for_our_group(status, readers):
        yield (
            f"{path} may be read by others (mode {_mode(status)}); run 'chmod 600' on it; where a container mounts it, "
            "set its mode (Kubernetes: defaultMode 0400, or 0440 with fsGroup for a user who is not root; Docker: uid "
            "and mode 0400)"
        )


def _is_for_our_group(status: os.stat_result, readers: int) -> bool:
    """Whether its group is how this process, which does not own the file, gets to read it."""
    return readers == stat.S_IRGRP and status.st_uid != os.geteuid()


def _stranger(found: Iterable[os.stat_result]) -> int | None:
    """The first owner that is neither root nor this user."""
    return next((each.st_uid for each in found if each.st_uid not in {0, os.geteuid()}), None)


def _mode(status: os.stat_result) -> str:
    return f"{stat.S_IMODE(status.st_mode):04o}"
