"""What the journal's tests are made of: records, whole journals as lines, a clock that only moves when slept on."""

import asyncio
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

from reconcile.journal.base import Store
from reconcile.journal.chain import line_hash
from reconcile.journal.codec import FORMAT, GENESIS, Header, encode, rfc3339
from reconcile.journal.file.disk import Disk
from reconcile.journal.file.store import FileStore
from reconcile.journal.records import Intent, IntentStatus, NoteRecord, Outcome, Record
from reconcile.journal.state import JournalState
from reconcile.model.account import Address, Side

T = TypeVar("T")

HOME = Path("/home/trader/state")
ACCOUNT = "binance-live-key-0123456789abcdef"
JOURNAL = HOME / "journal" / f"{ACCOUNT}.jsonl"
LOCK = HOME / "journal" / f"{ACCOUNT}.lock"
HOLDER = {"host": "alpha", "pid": "7"}
SINCE = "2023-11-14T22:13:20.000Z"
HELD = {**HOLDER, "since": SINCE}
"""As whoever waits is told of it: the lock adds since when."""
START_MS = 1_700_000_000_000


class VirtualClock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0

    def monotonic_ms(self) -> int:
        """Since the clock was made."""
        return self.now

    def wall_ms(self) -> int:
        """In November 2023."""
        return START_MS + self.now

    async def sleep(self, milliseconds: int) -> None:
        """Let others run, then let it be later."""
        await asyncio.sleep(0)
        self.now += milliseconds


async def inline(work: Callable[[], T]) -> T:
    """Run what blocks in place."""
    return work()


def as_store(store: FileStore) -> Store:
    """The same, as the rest of the program sees it."""
    return store


def store_on(disk: Disk, clock: VirtualClock | None = None) -> FileStore:
    """A store whose blocking work runs in place."""
    return FileStore(HOME, disk, clock or VirtualClock(), inline)


def intent(number: int, *, lane: str | None = None, signed_at_ms: int = 1_000) -> Intent:
    """An addition of 300 to 1200 on a symbol of its own, unless a lane is given."""
    address = Address(lane or f"SYM{number}", Side.LONG)
    return Intent(
        intent_id=f"intent-{number}",
        step_id=f"step-{number}",
        lane=str(address),
        address=address,
        action="add_margin",
        asset="USDT",
        amount=Decimal("300.5"),
        before="1200",
        wanted="1500.5",
        size=Decimal("0.25"),
        identity=None,
        cursor=None,
        signed_at_ms=signed_at_ms,
        fence_ms=signed_at_ms + 8_000,
        calls_seen_ms=signed_at_ms,
        free=Decimal("900.5"),
    )


def outcome(number: int, known: IntentStatus, **fields: object) -> Outcome:
    """What is known about the intent of that number."""
    values: dict[str, object] = {"intent_id": f"intent-{number}", "known": known, "effect_ms": None} | fields
    return Outcome(**values)  # type: ignore[arg-type]


def everything(state: JournalState, *, notes: bool = True) -> dict[str, object]:
    """All that a journal adds up to, to be compared; without ``notes`` but for where they stood."""
    found = {**vars(state), "margins": vars(state.margins), "days": state.days.by_day()}
    return found if notes else {name: value for name, value in found.items() if name != "notes_heads"}


def chained(records: Sequence[Record], *, account: str = ACCOUNT) -> list[bytes]:
    """A whole journal: its header and the records."""
    lines: list[bytes] = []
    head = GENESIS
    every: list[Record | Header] = [Header(format=FORMAT, identity=account), *records]
    for seq, record in enumerate(every, start=1):
        line = encode(record, seq=seq, prev=head, at=rfc3339(START_MS + seq), run="run-1")
        head = line_hash(line)
        lines.append(line)
    return lines


def steps(count: int) -> list[Record]:
    """That many records of three kinds in turn."""
    made: list[Record] = []
    for number in range(count):
        made += [
            intent(number),
            outcome(number, IntentStatus.APPLIED, effect_ms=2_000),
            NoteRecord(what=f"note {number}"),
        ]
    return made[:count]
