"""Waits that an exchange asked for, kept in the home so that the next process sends nothing before they end.

Each run of a pipeline is a process of its own. Without this file, each would send one more request from a banned
address. Binance answers that with a longer ban (2 minutes to 3 days: USD-M docs, Limits). The file keeps the end on
this machine's clock for each exchange host and proxy, since a proxy calls from another address. Where the limit counts
by account, the key's fingerprint is part of it. Nothing in the file sends or stops money: where it cannot be read, or
holds a time that no ban has, the exchange is asked.
"""

import hashlib
import json
import os
import stat
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from reconcile.clock import Clock
from reconcile.errors import InputError
from reconcile.files import regular
from reconcile.files.documents import replace_private
from reconcile.model.jsontext import loads_whole
from reconcile.model.times import checked

LONGEST_BAN_MS = 3 * 24 * 3_600_000
"""The longest ban that an exchange documents (Binance USD-M docs, Limits); no answer makes one longer."""
NAME = "bans.json"
FORMAT = "reconcile.bans/1"
KEPT_MS = 10_000
"""A shorter wait is over before another process could ask."""
MAX_BYTES = 64 * 1024
MOST = 100
"""Bans that one file holds; those that end first make room."""
SET_BACK_MS = 60_000
"""A ban that was noted so much later than now was noted by a clock that has been set back since."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ban:
    """A wait that an exchange asked for; Unix times of this machine. ``limit`` and ``host`` are for people."""

    key: str
    host: str
    limit: str
    noted_ms: int
    until_ms: int

    def left_ms(self, now_ms: int) -> int:
        """The time left of it; 0 where it is over, and where its times cannot be true."""
        is_possible = 0 < self.until_ms - self.noted_ms <= LONGEST_BAN_MS and self.noted_ms <= now_ms + SET_BACK_MS
        return max(0, min(self.until_ms - now_ms, self.until_ms - self.noted_ms)) if is_possible else 0


class Bans(Protocol):
    """Waits that exchanges named, kept from one process to the next. ``owner`` is empty where a limit counts by IP."""

    place: str
    """The place where they are kept, for a person."""

    def left_ms(self, host: str, owner: str, limit: str) -> int:
        """The time for which the exchange still wants no request; 0 where none is known. Never raises."""
        ...

    def keep(self, host: str, owner: str, limit: str, for_ms: int) -> None:
        """Note a wait that begins now. Never raises."""
        ...


class NoBans:
    """Nothing outlives the process."""

    place = ""

    def left_ms(self, host: str, owner: str, limit: str) -> int:  # noqa: ARG002 - the protocol's arguments
        """0: nothing is known."""
        return 0

    def keep(self, host: str, owner: str, limit: str, for_ms: int) -> None:
        """Forget it."""


class BanFile:
    """The bans of one home. Of two runs that note a ban at the same instant one may be lost, and is asked for again."""

    def __init__(
        self,
        path: Path,
        clock: Clock,
        *,
        make_home: Callable[[], object],
        route: Callable[[str], str],
        tell: Callable[[str], object],
    ) -> None:
        """``make_home`` raises InputError; ``route`` tells the ways to a host apart (by proxy); ``tell`` takes one line
        for a person."""
        self.place = str(path)
        self._path = path
        self._clock = clock
        self._make_home = make_home
        self._route = route
        self._tell = tell
        self._is_told = False

    def left_ms(self, host: str, owner: str, limit: str) -> int:
        """The time for which the exchange still wants no request; 0 where none is known."""
        key, now_ms = self._key(host, owner, limit), self._clock.wall_ms()
        return max((ban.left_ms(now_ms) for ban in self._read() if ban.key == key), default=0)

    def keep(self, host: str, owner: str, limit: str, for_ms: int) -> None:
        """Note a wait; where it cannot be noted, say so in one line and go on."""
        if for_ms < KEPT_MS:
            return
        now_ms = self._clock.wall_ms()
        key = self._key(host, owner, limit)
        made = Ban(key=key, host=host, limit=limit, noted_ms=now_ms, until_ms=now_ms + min(for_ms, LONGEST_BAN_MS))
        others = [ban for ban in self._read() if ban.left_ms(now_ms) and ban.key != key]
        kept = sorted([made, *others], key=lambda ban: ban.until_ms)[-MOST:]
        document = {"format": FORMAT, "bans": [asdict(ban) for ban in kept]}
        try:
            self._make_home()
            replace_private(self._path, f"{json.dumps(document, indent=1)}\n".encode())
        except (InputError, OSError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
            self._tell(
                f"noting how long {host} wants not to be asked: {self.place}: {reason}; the next run will ask it"
            )

    def _key(self, host: str, owner: str, limit: str) -> str:
        return hashlib.sha256("\n".join((host, self._route(host), owner, limit)).encode()).hexdigest()

    def _read(self) -> tuple[Ban, ...]:
        try:
            raw, status = regular.read_with_status(self._path, most=MAX_BYTES, follow=False)
            _check_owner(status)
            return _bans(raw)
        except FileNotFoundError:
            return ()
        except (OSError, ValueError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
            if not self._is_told:
                self._is_told = True
                self._tell(
                    f"reading {self.place}: {reason}; ignored: no wait of an earlier run is known; remove the file"
                )
            return ()


def _check_owner(status: os.stat_result) -> None:
    if status.st_uid not in {os.geteuid(), 0} or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ValueError("others may write it")


def _bans(raw: bytes) -> tuple[Ban, ...]:
    """The bans of a file; raises ValueError where it is not one that ``BanFile`` wrote."""
    if len(raw) > MAX_BYTES:
        raise ValueError(f"it is longer than {MAX_BYTES} bytes")
    found = loads_whole(raw.decode("utf-8"))
    listed = found.get("bans") if isinstance(found, dict) and found.get("format") == FORMAT else None
    if not isinstance(listed, list) or len(listed) > MOST:
        raise ValueError(f"it is not a {FORMAT} document")
    return tuple(map(_ban, listed))


def _ban(found: object) -> Ban:
    match found:
        case {
            "key": str(key),
            "host": str(host),
            "limit": str(limit),
            "noted_ms": int(noted_ms),
            "until_ms": int(until_ms),
        }:
            return Ban(key=key, host=host, limit=limit, noted_ms=checked(noted_ms), until_ms=checked(until_ms))
        case _:
            raise ValueError("a ban lacks a field, or has one of the wrong kind")
