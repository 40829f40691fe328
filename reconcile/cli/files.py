"""The home, and the saved plans that the command line reads."""

from contextlib import suppress
from pathlib import Path

from reconcile.errors import InputError
from reconcile.files import regular
from reconcile.journal.file.disk import SystemDisk

MAX_PLAN_BYTES = 64 * 1024 * 1024


def private(home: Path) -> Path:
    """The home, made for this user alone where there is none; who writes into it says what else is wrong with it.

    Raises InputError where others may write into it, or where it is a link.
    """
    with suppress(OSError):
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        SystemDisk().check_folder(home, ours=True)
    except OSError as error:
        raise InputError(
            f"using the home: {home}: {error.strerror or error}; choose a home that is yours alone (--home)"
        ) from error
    return home


def read_if_plan(path: str) -> str | None:
    """The text of a saved plan; None where the path is something else (a folder, a state file, nothing).

    A JSON document begins with a brace, which no TOML document does. Raises InputError for one that is too long.
    """
    try:
        raw = regular.read(Path(path), most=MAX_PLAN_BYTES)
    except OSError:
        return None
    if not raw[:64].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return None
    if len(raw) > MAX_PLAN_BYTES:
        raise InputError(f"reading {path}: longer than {MAX_PLAN_BYTES} bytes; name a plan that 'reconcile plan' saved")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"reading {path}: not UTF-8; name a plan that 'reconcile plan --out' saved") from error
