"""Sandbox accounts on disk: one file each, private, replaced whole, right under two commands at once.

A process that reads or changes an account holds its lock meanwhile. Commands and servers take turns request by request,
and each sees what the other did. A file that another process replaced is read again.
"""

import fcntl
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import InvalidOperation
from pathlib import Path
from typing import Any

from reconcile.clock import SystemClock
from reconcile.errors import InputError
from reconcile.files.documents import replace_private
from reconcile.sandbox.books import Books
from reconcile.sandbox.books_json import dump_books, load_books
from reconcile.sandbox.demo import account_of, new_books
from reconcile.sandbox.http import FRESH, Answer, Lag, Request, SandboxAccount, SimulatedExchange
from reconcile.sandbox.registry import simulated
from reconcile.sandbox.values import BooksBroken

FORMAT = "reconcile.sandbox/1"
KEEP_MS = 60_000
"""The greatest age of a stale read."""
OPENED_AGO_MS = 3_600_000
"""A new account's demo positions were opened this long ago, so that no run takes that for something of its own time."""
_NAME = re.compile(r"[a-z][a-z0-9-]{0,99}")


@dataclass(slots=True, kw_only=True)
class StoredAccount:
    """One account as it is while its lock is held: change ``books`` by their operations, ``switches`` freely."""

    name: str
    exchange: str
    books: Books
    switches: dict[str, Any] = field(default_factory=dict)

    def account(self) -> SandboxAccount:
        """With its demo keys."""
        return account_of(self.exchange, self.name, self.books)


@dataclass(frozen=True, slots=True, kw_only=True)
class _CacheEntry:
    stamp: tuple[int, int, int]
    kept: StoredAccount


class SandboxStore:
    """The folder of sandbox accounts of one home."""

    def __init__(self, home: Path, *, now_ms: Callable[[], int] | None = None) -> None:
        """``home`` is the program's home; the accounts are in its folder ``sandbox``. ``now_ms`` is the wall clock."""
        self.folder = home / "sandbox"
        self.now_ms = now_ms or SystemClock().wall_ms
        self._cache: dict[str, _CacheEntry] = {}

    def names(self) -> list[str]:
        """The accounts there are."""
        return sorted(path.stem for path in self.folder.glob("*.json")) if self.folder.is_dir() else []

    @contextmanager
    def locked(self, account: str, exchange: str | None = None) -> Iterator[StoredAccount]:
        """The account under its lock, made from the demo when it is new; what changed is on disk afterwards.

        ``exchange`` None takes what the account is, Binance for a new one. An error inside changes nothing. Raises
        InputError when the account is of another exchange, or its file cannot be read or written.
        """
        with self._lock(account):
            kept, before = self._open(account, exchange)
            changed = dict(kept.switches)
            try:
                yield kept
            except BaseException:
                self._cache.pop(account, None)
                raise
            if kept.books.revision != before or kept.switches != changed:
                self._save(kept)

    def reset(self, account: str) -> bool:
        """Forget an account, so that its next use starts from the demo; whether there was one."""
        with self._lock(account):
            self._cache.pop(account, None)
            path = self._path(account)
            there = path.exists()
            path.unlink(missing_ok=True)
            return there

    def _open(self, account: str, exchange: str | None) -> tuple[StoredAccount, int]:
        """The account, and the revision that is on disk (-1: none is)."""
        stamp, cached = self._stamp(account), self._cache.get(account)
        if stamp is None:
            kept = self._new(account, exchange or "binance")
            return kept, -1
        kept = cached.kept if cached is not None and cached.stamp == stamp else self._load(account)
        if exchange is not None and kept.exchange != exchange:
            raise InputError(
                f"opening the sandbox account {account}: it is a {kept.exchange} account, not {exchange}; "
                f"choose another name, or forget it with: reconcile sandbox reset {account}"
            )
        self._cache[account] = _CacheEntry(stamp=stamp, kept=kept)
        return kept, kept.books.revision

    def _new(self, account: str, exchange: str) -> StoredAccount:
        row = simulated(exchange)
        books = new_books(account, row.rules, row.seed, now_ms=self.now_ms() - OPENED_AGO_MS, keep_ms=KEEP_MS)
        return StoredAccount(name=account, exchange=exchange, books=books)

    def _load(self, account: str) -> StoredAccount:
        path = self._path(account)
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            _known_format(data)
            books = load_books(data["books"], simulated(data["exchange"]).rules, keep_ms=KEEP_MS)
            return StoredAccount(name=account, exchange=data["exchange"], books=books, switches=data["switches"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError, InvalidOperation, BooksBroken) as error:
            raise InputError(
                f"reading the sandbox account {path}: {error}; forget it with: reconcile sandbox reset {account}"
            ) from error

    def _save(self, kept: StoredAccount) -> None:
        data = {
            "format": FORMAT,
            "account": kept.name,
            "exchange": kept.exchange,
            "switches": kept.switches,
            "books": dump_books(kept.books),
        }
        path = self._path(kept.name)
        try:
            replace_private(path, json.dumps(data, indent=1).encode())
        except OSError as error:
            self._cache.pop(kept.name, None)
            raise InputError(f"writing the sandbox account {path}: {error.strerror}; nothing was changed") from error
        stamp = self._stamp(kept.name)
        if stamp is not None:
            self._cache[kept.name] = _CacheEntry(stamp=stamp, kept=kept)

    def _path(self, account: str) -> Path:
        if not _NAME.fullmatch(account):
            raise InputError(f"opening the sandbox account {account!r}: a name is a-z first, then a-z 0-9 -")
        return self.folder / f"{account}.json"

    def _stamp(self, account: str) -> tuple[int, int, int] | None:
        try:
            status = self._path(account).stat()
        except FileNotFoundError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size

    @contextmanager
    def _lock(self, account: str) -> Iterator[None]:
        path = self._path(account).with_suffix(".lock")
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise InputError(f"opening the sandbox account {account}: {path}: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _known_format(data: Mapping[str, Any]) -> None:
    if data["format"] != FORMAT:
        raise ValueError(f"its format is {data['format']!r}, not {FORMAT!r}")


class StoredDialect:
    """An exchange whose one account is in a store: locked, read again if it changed, and kept, for every request."""

    def __init__(self, store: SandboxStore, account: str, exchange: str) -> None:
        """Makes the account when it is new; raises InputError."""
        self.exchange = exchange
        self._store, self._account = store, account
        self._row = simulated(exchange)
        self._served: SimulatedExchange | None = None
        self._books: Books | None = None
        self._switches: Mapping[str, Any] = {}
        with store.locked(account, exchange) as kept:
            self.credentials = kept.account()

    def handle(self, request: Request, now_ms: int, lag: Lag = FRESH) -> Answer:
        """Answer one request; see ``http.Dialect``."""
        with self._store.locked(self._account, self.exchange) as kept:
            return self._dialect(kept).handle(request, now_ms, lag)

    def _dialect(self, kept: StoredAccount) -> SimulatedExchange:
        if self._served is None or self._switches != kept.switches:
            switches = self._row.switched(kept.switches)
            self._served, self._books = self._row.dialect([kept.account()], switches), kept.books
            self._switches = dict(kept.switches)
        elif self._books is not kept.books:
            self._served.serve(kept.account())
            self._books = kept.books
        return self._served
