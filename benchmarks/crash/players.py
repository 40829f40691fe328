"""The ways to live through a path that need no program: nothing, the exchange's top-up, a script, and an ideal.

The script reads each position every ten seconds, adds what is missing to the target where it is below the floor, and,
where its call has no answer, reads again a second later and adds what is missing then. The ideal adds and takes out at
once at every look, with nothing going wrong: a path on which it loses nothing and lacks no money is one on which the
file's funds sufficed.
"""

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal

from benchmarks.crash.exchange import EPOCH_MS, Account
from benchmarks.crash.paths import SYMBOLS, TICK_MS, PricePath
from reconcile.money import ZERO
from reconcile.sandbox.values import Denied, RequestOrigin


@dataclass(frozen=True, slots=True, kw_only=True)
class Width:
    """The bounds of a liquidation distance, as shares of the mark price."""

    floor: Decimal
    target: Decimal
    ceiling: Decimal

    def __str__(self) -> str:
        """``5-7.5-12%``: floor, target, ceiling."""
        return "-".join(f"{bound * 100:f}".rstrip("0").rstrip(".") for bound in self._bounds) + "%"

    @property
    def _bounds(self) -> tuple[Decimal, ...]:
        return self.floor, self.target, self.ceiling


def width(floor: str, target: str, ceiling: str) -> Width:
    """A width of bounds in per cent."""
    return Width(floor=Decimal(floor) / 100, target=Decimal(target) / 100, ceiling=Decimal(ceiling) / 100)


WIDE = width("5", "7.5", "12")
FLOOR, TARGET, CEILING = WIDE.floor, WIDE.target, WIDE.ceiling
AT_MOST = Decimal(6_000)
LOOK_MS = 10_000
FAULTS = ("lost", "503", "late", "stale", "never", "throttle")
FAULT_CHANCE = 0.3
"""How many of the writes something happens to, where faults are on."""
LATE_MS = 1_500
BEHIND_MS = 3_000
SCRIPT = RequestOrigin(actor="script")
_UNIT = Decimal(5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one player came through one path. ``locked`` is the average margin as a share of the positions' value;
    ``moves`` are those of each position; ``lost_to`` says what an ideal lost a position to: funds or speed."""

    liquidated: int
    locked: Decimal
    moves: tuple[int, ...]
    doubled: int = 0
    lost_to: str = ""


def outcome(account: Account, *, doubled: int = 0, lost_to: str = "") -> Outcome:
    """What has become of an account at the end of its path."""
    moves = tuple(account.moves.values()) + (0,) * (SYMBOLS - len(account.moves))
    share = account.locked / account.values if account.values else ZERO
    return Outcome(liquidated=account.liquidated, locked=share, moves=moves, doubled=doubled, lost_to=lost_to)


def nothing(exchange: str, path: PricePath, *, leverage: int) -> Outcome:
    """The positions are left as they are."""
    account = Account(exchange=exchange, path=path, leverage=leverage)
    for number in range(len(path.marks)):
        account.tick(number)
    return outcome(account)


def topped_up(exchange: str, path: PricePath, *, leverage: int) -> Outcome:
    """The exchange adds one initial margin at the brink."""
    account = Account(exchange=exchange, path=path, leverage=leverage, tops_up=True)
    for number in range(len(path.marks)):
        account.tick(number)
    return outcome(account)


def needed(account: Account, symbol: int, value: Decimal) -> Decimal:
    """The smallest margin, in steps of five, with which a position is that far from liquidation."""
    held = account.position(symbol)
    if held is None:
        return ZERO
    low, high = ZERO, account.market(symbol).notional(held.size, account.market(symbol).mark)
    while high - low > 1:
        middle = (low + high) / 2
        found = account.distance(symbol, middle)
        low, high = (low, middle) if found is None or found >= value else (middle, high)
    return (high / _UNIT).quantize(Decimal(1), rounding=ROUND_UP) * _UNIT


def ideal(exchange: str, path: PricePath, *, leverage: int) -> Outcome:
    """Bands by hand, at once at every look."""
    account = Account(exchange=exchange, path=path, leverage=leverage)
    lost_to = ""
    for number in range(len(path.marks)):
        before = account.liquidated
        account.tick(number)
        if account.liquidated > before and not lost_to:
            lost_to = "speed"
        if number * TICK_MS % LOOK_MS == 0:
            for symbol in range(SYMBOLS):
                if not _kept(account, symbol, EPOCH_MS + number * TICK_MS):
                    lost_to = lost_to or "funds"
    return outcome(account, lost_to=lost_to)


def _kept(account: Account, symbol: int, now_ms: int) -> bool:
    """Bring one position into its band; whether the money sufficed."""
    held, distance = account.position(symbol), account.distance(symbol)
    if held is None or distance is None:
        return True
    wanted = needed(account, symbol, TARGET)
    if distance > CEILING:
        removable = account.books.removable(*account.place(symbol))
        spare = min(held.margin - wanted, removable)
        if spare > (1 if removable >= held.margin - wanted else held.margin / 10):
            account.books.move_margin(*account.place(symbol), -spare, now_ms=now_ms, by=SCRIPT)
            account.count(symbol)
        return True
    if distance >= FLOOR:
        return True
    more = min(wanted, AT_MOST) - held.margin
    given = min(more, account.free())
    if given > 0:
        account.books.move_margin(*account.place(symbol), given, now_ms=now_ms, by=SCRIPT)
        account.count(symbol)
    return given >= min(more, wanted - held.margin) and wanted <= AT_MOST


class Script:
    """The script, on its way through a path."""

    def __init__(self, exchange: str, path: PricePath, *, leverage: int, faults: bool) -> None:
        self.account = Account(exchange=exchange, path=path, leverage=leverage)
        self.doubled = 0
        self._dice = random.Random(f"script {exchange} {path.seed}")
        self._faults = faults
        self._due: list[tuple[int, Callable[[], None]]] = []
        self._behind: dict[int, tuple[int, Decimal]] = {}

    def play(self) -> Outcome:
        """From the first tick to the last."""
        for number in range(len(self.account.path.marks)):
            now_ms = number * TICK_MS
            self._advance(now_ms)
            self.account.tick(number)
            if now_ms % LOOK_MS == 0:
                for symbol in range(SYMBOLS):
                    self._look(symbol, now_ms, tries=3)
        return outcome(self.account, doubled=self.doubled)

    def _advance(self, now_ms: int) -> None:
        for each in sorted((due for due in self._due if due[0] <= now_ms), key=lambda due: due[0]):
            self._due.remove(each)
            each[1]()

    def _look(self, symbol: int, now_ms: int, *, tries: int) -> None:
        held = self.account.position(symbol)
        if held is None:
            return
        behind = self._behind.get(symbol)
        margin = behind[1] if behind is not None and now_ms < behind[0] else held.margin
        distance = self.account.distance(symbol, margin)
        if distance is None or distance >= FLOOR:
            return
        value = self.account.market(symbol).notional(held.size, self.account.market(symbol).mark)
        amount = min(((TARGET - distance) * value).quantize(Decimal("0.01")), self.account.free(), AT_MOST - margin)
        if amount > 0:
            self._send(symbol, amount, now_ms, tries=tries)

    def _send(self, symbol: int, amount: Decimal, now_ms: int, *, tries: int) -> None:
        fault = self._dice.choice(FAULTS) if self._faults and self._dice.random() < FAULT_CHANCE else ""
        held = self.account.position(symbol)
        before = ZERO if held is None else held.margin
        if fault == "late":
            self._due.append((now_ms + LATE_MS, lambda: self._arrive(symbol, amount, now_ms + LATE_MS)))
        elif fault not in {"never", "throttle"}:
            self._arrive(symbol, amount, now_ms)
        if fault == "stale":
            self._behind[symbol] = (now_ms + BEHIND_MS, before)
        if fault in {"lost", "503", "late", "stale", "never"} and tries > 1:
            self._due.append((now_ms + 1_000, lambda: self._look(symbol, now_ms + 1_000, tries=tries - 1)))

    def _arrive(self, symbol: int, amount: Decimal, at_ms: int) -> None:
        with suppress(Denied):
            self.account.books.move_margin(*self.account.place(symbol), amount, now_ms=EPOCH_MS + at_ms, by=SCRIPT)
            self.account.count(symbol)
            self.doubled += is_doubled(self.account, symbol, amount)


def script(exchange: str, path: PricePath, *, leverage: int, faults: bool) -> Outcome:
    """The script's way through a path."""
    return Script(exchange, path, leverage=leverage, faults=faults).play()


def is_doubled(account: Account, symbol: int, amount: Decimal, target: Decimal = TARGET) -> bool:
    """Whether half of an addition that has just taken effect was already more than the target needed."""
    held = account.position(symbol)
    if held is None:
        return False
    without = account.distance(symbol, held.margin - amount / 2)
    return without is None or without >= target
