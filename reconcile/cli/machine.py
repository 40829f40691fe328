"""The identity of this running machine, so that a journal can tell whether its last run was here.

A host's name alone does not say: containers share names, and after a reboot the disk may be an older snapshot.
"""

import os
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

BOOT = "proc/sys/kernel/random/boot_id"
_FIRST = "proc/1/stat"
_NAMESPACE = "proc/self/ns/pid"
_MACHINE = ("etc/machine-id", "var/lib/dbus/machine-id")
_START_FIELD = 19
"""Of what follows the program's name in ``stat``: when the first process began, in ticks since the boot."""


def machine_of(host: str, root: Path = Path("/")) -> str:
    """An id that the runs of one machine share from boot to boot, and the runs in one container; 16 hex digits.

    It is a hash of the host's name, the kernel's boot id and the machine's id where there is one. The process namespace
    and the start of its first process are part of it too. Where no boot id can be read, it is new with each process of
    ours, so that such a run takes nothing for granted.
    """
    boot = _text(root / BOOT)
    if not boot:
        return _this_process()
    machine = next(filter(None, (_text(root / name) for name in _MACHINE)), "")
    parts = (host, boot, machine, _namespace(root / _NAMESPACE), _first_start(root / _FIRST))
    return sha256("\0".join(("reconcile.machine/1", *parts)).encode("utf-8", "surrogateescape")).hexdigest()[:16]


@lru_cache(maxsize=1)
def _this_process() -> str:
    return os.urandom(8).hex()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _namespace(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""


def _first_start(path: Path) -> str:
    """The start of the namespace's first process: a namespace's number is used again, but not with the same start."""
    fields = _text(path).rpartition(")")[2].split()
    return fields[_START_FIELD] if len(fields) > _START_FIELD else ""
