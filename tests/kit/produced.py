"""No credential and no signature in anything the program ever produced: every output and every file of a test run.

The demo keys of a sandbox account follow from its name, so every account that left a file behind tells which secrets to
look for. Where a secret belongs (a test's own secret files, what ``sandbox serve`` prints) is not looked at.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from reconcile.sandbox.books import Books
from reconcile.sandbox.demo import account_of
from reconcile.sandbox.registry import SIMULATED, simulated
from reconcile.sandbox.values import HEDGE

LONGEST_BYTES = 64 * 1024 * 1024
_TOKENS = re.compile(rb"[0-9a-f]{16,}")
_SIGNED = re.compile(
    rb"(?i)\b(?:signature=[0-9a-z%+/]{16,}|(?:x-mbx-apikey|access-(?:key|sign|passphrase))[\"':= ]{1,4}[0-9a-z+/=]{8,})"
)
_SECRET_FILE = re.compile(r"_(API_KEY|API_SECRET|PASSPHRASE)$")

_shown: dict[bytes, str] = {}
"""What looked like a key or a signature in any output, and the command that printed it."""


def note(words: Iterable[str], *outputs: str) -> None:
    """Remember what a command printed, as far as it can be a secret."""
    said = list(words)
    if "serve" in said:
        return
    for output in outputs:
        for token in _suspects(output.encode(errors="replace")):
            _shown.setdefault(token, " ".join(said))


def leaks(folder: Path) -> list[str]:
    """Where a secret of any account under ``folder`` is shown: in a noted output, or in a file below it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    keys = _keys(files)
    found = [f"the output of {command!r} has {_what(token, keys)}" for token, command in _bad(_shown, keys)]
    for path in files:
        if not _SECRET_FILE.search(path.name) and path.stat().st_size <= LONGEST_BYTES:
            suspects = dict.fromkeys(_suspects(path.read_bytes()), str(path))
            found += [f"{place} has {_what(token, keys)}" for token, place in _bad(suspects, keys)]
    return found


def _suspects(content: bytes) -> Iterator[bytes]:
    yield from _TOKENS.findall(content)
    yield from _SIGNED.findall(content)


def _bad(suspects: Mapping[bytes, str], keys: Mapping[bytes, str]) -> list[tuple[bytes, str]]:
    return [(token, place) for token, place in suspects.items() if token in keys or _SIGNED.match(token)]


def _what(token: bytes, keys: Mapping[bytes, str]) -> str:
    return keys.get(token, f"something signed: {token[:40]!r}")


def _keys(files: Iterable[Path]) -> dict[bytes, str]:
    """Every secret of every sandbox account that has a file here, with what it is."""
    names = {path.stem for path in files if path.suffix == ".json" and path.parent.name == "sandbox"}
    keys: dict[bytes, str] = {}
    for name in names:
        for exchange in SIMULATED:
            books = Books(uid="0", position_mode=HEDGE, rules=simulated(exchange).rules)
            account = account_of(exchange, name, books)
            for kind, value in (("key", account.key), ("secret", account.secret), ("passphrase", account.passphrase)):
                keys[value.encode()] = f"the {kind} of {exchange} account {name}"
    return keys
