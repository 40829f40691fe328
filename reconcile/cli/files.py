"""Files that the command line writes and reads: output is there whole or not at all."""

import os
import stat
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

from reconcile.errors import InputError

MAX_PLAN_BYTES = 256 * 1024 * 1024


def private(home: Path) -> Path:
    """The home, made for this user alone where there is none; who writes into it says what is wrong with it."""
    with suppress(OSError):
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    return home


def write(file: str, text: str) -> None:
    """Replace the file's content at one instant; raises InputError and leaves the old content where it cannot.

    What is no regular file (a pipe, a terminal, ``/dev/null``) is written to and never replaced.
    """
    path = Path(os.path.realpath(file))
    try:
        if path.exists() and not stat.S_ISREG(path.stat().st_mode):
            path.write_text(text, encoding="utf-8")
        else:
            _replace(path, text)
    except OSError as error:
        raise InputError(f"writing {file}: {error.strerror or error}; name a file that can be written") from error


def _replace(path: Path, text: str) -> None:
    beside = path.with_name(f".{path.name[:200]}.{token_hex(6)}.part")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with open(handle, "w", encoding="utf-8", newline="\n") as file:  # noqa: PTH123 - a descriptor, not a path
            file.write(text)
            file.flush()
            os.fsync(handle)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def read_if_plan(path: str) -> str | None:
    """The text of a saved plan; None where the path is something else (a folder, a state file, nothing).

    A JSON document begins with a brace, which no TOML document does. Raises InputError for one that is too long.
    """
    try:
        with Path(path).open("rb") as file:
            start = file.read(64)
            if not start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
                return None
            raw = start + file.read(MAX_PLAN_BYTES)
    except OSError:
        return None
    if len(raw) > MAX_PLAN_BYTES:
        raise InputError(f"reading {path}: longer than {MAX_PLAN_BYTES} bytes; name a plan that 'reconcile plan' saved")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"reading {path}: not UTF-8; name a plan that 'reconcile plan --out' saved") from error
