"""Seeded price paths of two symbols that share an account: trends, clusters of volatility, jumps, funding, fills.

Prices start at 100 and are given every five seconds. A path is made once from its seed, and every player meets the
same one.
"""

import math
import random
from dataclasses import dataclass
from decimal import Decimal

TICK_MS = 5_000
TICKS = 240
START = Decimal(100)
SIZE = Decimal(100)
"""Each position's size: 10,000 USDT at the start."""
SYMBOLS = 2
_CALM = 0.0006
_WILD = 0.0022
"""Standard deviation of a tick's return, in calm minutes and in wild ones."""
_TURNS = 0.015
"""How likely a tick is to go from one to the other."""
_JUMP = 0.004
"""How likely a tick is to jump."""
_LARGEST = 0.05
_PRICE = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What happens to one position before a tick: ``fund`` (a share of its value), ``fill`` or ``part`` (a size)."""

    tick: int
    what: str
    symbol: int
    value: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class PricePath:
    """One path. ``marks`` are the prices of each tick; ``long`` says for each symbol whether its position is long;
    ``free`` is the free balance at the start, in the margin asset."""

    seed: int
    marks: tuple[tuple[Decimal, ...], ...]
    long: tuple[bool, ...]
    events: tuple[Event, ...]
    free: Decimal

    @property
    def lasts_ms(self) -> int:
        """From its start to its last tick."""
        return len(self.marks) * TICK_MS


def price_path(seed: int, ticks: int = TICKS) -> PricePath:
    """The path of a seed."""
    dice = random.Random(f"crash {seed}")
    long = (True, dice.random() < 0.6)
    trends = [_trend(dice, ticks) for _ in long]
    levels = [0.0] * SYMBOLS
    is_wild = False
    marks = []
    for tick in range(ticks):
        is_wild = is_wild is not (dice.random() < _TURNS)
        sigma = _WILD if is_wild else _CALM
        market = dice.gauss(0, sigma * 0.7)
        for symbol in range(SYMBOLS):
            side = 1 if long[symbol] else -1
            levels[symbol] += side * trends[symbol][tick] + market + dice.gauss(0, sigma * 0.7)
            if dice.random() < _JUMP:
                against = 1 if dice.random() < 0.3 else -1
                levels[symbol] += side * against * min(_LARGEST, dice.expovariate(60))
        marks.append(tuple((START * Decimal(math.exp(level))).quantize(_PRICE) for level in levels))
    return PricePath(
        seed=seed,
        marks=tuple(marks),
        long=long,
        events=_events(dice, ticks),
        free=Decimal(dice.choice((500, 1_500, 3_000, 6_000, 12_000))),
    )


def _trend(dice: random.Random, ticks: int) -> list[float]:
    """What the trend adds at each tick, seen from the position: a fall, and on two paths of three a rebound after."""
    fall = dice.uniform(-0.25, 0.05)
    turn = ticks if dice.random() < 1 / 3 else dice.randrange(ticks // 4, ticks)
    back = dice.uniform(0.2, 1.0) * -fall
    return [fall / turn] * turn + [back / (ticks - turn) if turn < ticks else 0.0] * (ticks - turn)


def _events(dice: random.Random, ticks: int) -> tuple[Event, ...]:
    found = []
    for symbol in range(SYMBOLS):
        found.append(
            Event(
                tick=dice.randrange(ticks),
                what="fund",
                symbol=symbol,
                value=Decimal(dice.randint(-10, 5)) / 10_000,
            )
        )
        if dice.random() < 0.5:
            what = dice.choice(("fill", "part"))
            value = Decimal(dice.randint(5, 30))
            found.append(Event(tick=dice.randrange(ticks), what=what, symbol=symbol, value=value))
    return tuple(sorted(found, key=lambda event: event.tick))
