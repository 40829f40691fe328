"""Worlds whose state file declares bands: prices move, free balance may be short, and days have limits.

A schedule of a seed is the one that ``explore`` makes of it, with bands in place of amounts, prices that move, and a
policy that shares out or refuses. Its judge asks what no amount can be asked, by the sandbox's own formulas: that
``at_most`` is never passed by our doing, that an addition is never more than the target needed in a state that the look
before it can have shown, that a reduction leaves the target, that no day has more than its limit, and that a run where
nothing moves any more sends nothing.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from reconcile.model.account import Address
from reconcile.model.plan import Entry, Status
from reconcile.money import ZERO
from reconcile.sandbox.values import ISOLATED, BookEffect, BookPosition, View
from tests.simulation.assumptions import Knows
from tests.simulation.claims import others_moved
from tests.simulation.declare import TOLERANCE, address_of
from tests.simulation.machine import EPOCH_MS
from tests.simulation.schedule import MOVERS, PRICE, QUEUED, TIME, WRITE, Aim, Bounds, Go, Happening, Limits, Schedule
from tests.simulation.simulation import Ran, Simulation

DAY_MS = 86_400_000
SLACK = Decimal("0.005")
"""By how much a value may miss a bound: what an exchange rounds, as a share of the bound."""
_BOUNDS = {
    "liquidation_distance": ((80, 120, 250), (100, 150, 0), (50, 60, 140), (120, 200, 210)),
    "equity_share": ((100, 150, 250), (80, 120, 0), (120, 130, 140)),
    "maintenance_cover": ((10_000, 15_000, 30_000), (15_000, 20_000, 0), (12_000, 12_500, 13_500)),
}


# ---- random ----------------------------------------------------------------------------------------------------------


def with_bands(made: Schedule, seed: int) -> Schedule:
    """A seed's schedule with bands."""
    dice = random.Random(f"bands {seed}")
    happenings = sorted((*made.happenings, *_prices(dice, len(made.aims))))
    late = dice.random() < 0.2  # midnight passes while it plays
    banded = replace(
        made,
        aims=tuple(_aim(dice, aim) for aim in made.aims),
        happenings=tuple(happenings),
        free=dice.choice((100_000, 200, 100, 30)),
        floor=dice.choice((0, 0, 0, 10)),
        limits=Limits(
            when_short=dice.choice(("refuse", "nearest-first", "pro-rata")),
            reduces=dice.random() < 0.6,
            rounding=dice.choice((0, 0, 5)),
            day_add=dice.choice((0, 0, 60, 120)),
            day_changes=dice.choice((0, 0, 0, 2)),
        ),
        ahead=DAY_MS - dice.randint(1_000, 60_000) if late else made.ahead,
    )
    banded = _meanwhile(random.Random(f"meanwhile {seed}"), _ranked(random.Random(f"ranked {seed}"), banded))
    return _short(random.Random(f"short {seed}"), banded)


def _ranked(dice: random.Random, made: Schedule) -> Schedule:
    """One in four shares by the positions' own priorities; most of these have too little for all of them."""
    if made.limits is None or dice.random() < 0.75:
        return made
    made = replace(made, limits=replace(made.limits, when_short="priority"))
    aims = [replace(aim, priority=dice.choice((0, 1, 2, 3))) for aim in made.aims]
    if dice.random() < 0.3:
        return replace(made, aims=tuple(aims))
    bounds = Bounds(measure="equity_share", floor=100, target=150)
    low = (replace(aim, before=60, target=60, bounds=bounds) for aim in aims)
    return replace(made, aims=tuple(low), free=dice.choice((40, 60, 100)))


def _aim(dice: random.Random, aim: Aim) -> Aim:
    measure = dice.choice(tuple(_BOUNDS))
    floor, target, ceiling = dice.choice(_BOUNDS[measure])
    before = dice.choice((60, 60, 110, 150, 300, 400))
    most = dice.choice((1_000, 1_000, before, before + 30, 160))
    if dice.random() < 0.15:
        return replace(aim, before=before, target=before + dice.choice((0, 50)), revised=None, part=0)
    bounds = Bounds(
        measure=measure, floor=floor, target=target, ceiling=ceiling, most=most, least=dice.choice((0, 0, 120))
    )
    return replace(aim, before=before, target=before, revised=None, part=0, bounds=bounds)


def _prices(dice: random.Random, aims: int) -> Iterator[Happening]:
    at_ms = 0
    for _ in range(dice.choice((0, 1, 2, 4, 8))):
        at_ms += dice.choice((10, 500, 3_000, 12_000))
        yield Happening(where=TIME, n=at_ms, how=PRICE, value=dice.randint(-60, 60), on=dice.randrange(aims))


def _meanwhile(dice: random.Random, made: Schedule) -> Schedule:
    """Two in three look while steps are under way; with several positions most of them give that something to do.

    Then the first position is below its floor from the start, its call is in doubt, and the prices of the others move.
    """
    every_ms = dice.choice((0, 500, 3_000))
    if not every_ms or made.limits is None:
        return made
    made = replace(made, limits=replace(made.limits, meanwhile_ms=every_ms))
    others = range(1, len(made.aims))
    if not others or dice.random() < 0.3:
        return made
    bounds = Bounds(measure="equity_share", floor=100, target=150, most=dice.choice((300, 1_000)))
    margins = (60, *(dice.choice((105, 110, 130)) for _ in others))
    aims = [replace(aim, before=each, target=each, bounds=bounds) for aim, each in zip(made.aims, margins, strict=True)]
    doubt = Happening(where=WRITE, n=1, how=dice.choice(("lost", "never", "late_lost", "refused")), value=2_000)
    moves = (
        Happening(where=TIME, n=dice.randint(200, 60_000), how=PRICE, value=_against(dice, aims[on]), on=on)
        for on in others
        for _ in range(8)
    )
    kept = (each for each in made.happenings if (each.where, each.n) != (WRITE, 1))
    runs = (replace(made.runs[0], wait=100), *made.runs[1:])
    happenings = tuple(sorted((*kept, doubt, *moves)))
    return replace(
        made, aims=tuple(aims), happenings=happenings, runs=runs, free=dice.choice((made.free, 300, 100_000))
    )


def _short(dice: random.Random, made: Schedule) -> Schedule:
    """Of those that look while steps are under way, half have room for one addition above what must stay free, read
    balances late, and run again soon; nobody else moves margin."""
    if made.limits is None or not made.limits.meanwhile_ms or len(made.aims) < 2 or dice.random() < 1 / 2:
        return made
    late = dice.choice((made.grace, 10 * made.grace))
    kept = (each for each in made.happenings if each.how not in {*MOVERS, *QUEUED})
    floor = dice.choice((10, 50))
    runs = made.runs if len(made.runs) > 1 else (made.runs[0], made.runs[0])
    soon = (replace(go, wait=dice.choice((0, 1_000, 4_000, 9_000)), beside=False) for go in runs[1:])
    return replace(
        made,
        runs=(runs[0], *soon),
        happenings=tuple(kept),
        replicas=dice.choice((((0, 0), (late, 0)), ((late, 0), (0, 0)), ((0, 0), (0, 0), (late, 0)))),
        free=floor + dice.choice((60, 90, 100, 130)),
        floor=floor,
    )


def _against(dice: random.Random, aim: Aim) -> int:
    """A move of the mark price, most often against the position."""
    value = dice.choice((20, -30, -40, -60, -90))
    return -value if aim.side == "short" else value


# ---- judged ----------------------------------------------------------------------------------------------------------


def at_every_instant(simulation: Simulation) -> Iterator[str]:
    """What our calls did to banded positions, against every state that they can have been computed from."""
    effects = simulation.books.effects
    for number, effect in enumerate(effects):
        aim = _aim_of(simulation, effect)
        if effect.actor != "api" or effect.cause == "type" or aim is None or aim.bounds is None:
            continue
        excuse = others_moved(simulation, effects[:number], effect)
        found = (
            _added(simulation, effect, aim.bounds, excuse)
            if effect.change > 0
            else _reduced(simulation, effect, aim.bounds, excuse)
        )
        what = f"{effect.symbol}.{effect.side}: {effect.change} by request {effect.request} led to {effect.margin}"
        yield from (f"{what}, {text}" for text in found)
    yield from _days(simulation)
    for ran in simulation.ran:
        if ran.result is not None:
            yield from (f"run {ran.number}: {text}" for text in _shares(simulation, ran.result.plan.entries))


def _added(simulation: Simulation, effect: BookEffect, bounds: Bounds, excuse: Decimal) -> Iterator[str]:
    if effect.margin > bounds.most + excuse:
        yield f"at_most is {bounds.most} (excused: {excuse})"
    limits = simulation.schedule.limits or Limits()
    less = effect.margin - max(Decimal(limits.rounding), simulation.books.rules.amount_step) - excuse
    enough = Decimal(bounds.target) / 1000 * (1 + SLACK)
    needed = any(found is not None and found < enough for found in _values(simulation, effect, less, bounds.measure))
    if effect.margin > bounds.least + excuse and not needed:
        yield f"and the target needed less than {less} in every state that was there"


def _reduced(simulation: Simulation, effect: BookEffect, bounds: Bounds, excuse: Decimal) -> Iterator[str]:
    limits = simulation.schedule.limits or Limits()
    if not limits.reduces:
        yield "and reductions are not allowed"
    enough = Decimal(bounds.target) / 1000 * (1 - SLACK)
    values = _values(simulation, effect, effect.margin + excuse, bounds.measure)
    leaves = any(found is None or found >= enough for found in values)
    if not leaves:
        yield "and the target needed more in every state that was there"


def _values(simulation: Simulation, effect: BookEffect, margin: Decimal, measure: str) -> Iterator[Decimal | None]:
    """The measure with this margin, in every state that the look before a call can have shown."""
    key = (effect.symbol, effect.side, ISOLATED)
    for state in simulation.seen[effect.request]:
        if key in state.positions:
            yield value(simulation, state, replace(state.positions[key], margin=margin), measure)


def value(simulation: Simulation, state: View, position: BookPosition, measure: str) -> Decimal | None:
    """A measure by the sandbox's own rules; None where nothing liquidates the position."""
    rules, market = simulation.books.rules, state.markets[position.symbol]
    balance = position.margin + market.profit(position, market.mark)
    if measure == "equity_share":
        return balance / market.notional(position.size, market.mark)
    if measure == "maintenance_cover":
        fee: Callable[..., Decimal] = getattr(rules, "closing_fee", lambda *_: ZERO)
        return balance / (rules.maintenance(market, position) + fee(market, position))
    price = rules.liquidation_price(market, position)
    return None if price is None else (market.mark - price) * position.direction / market.mark


@dataclass(frozen=True, slots=True, kw_only=True)
class _Share:
    """An addition of a plan: what the free balance gives it of what it needs, and its place in the way of sharing."""

    address: Address
    given: Decimal
    missing: Decimal
    rank: tuple[bool, Decimal]

    @property
    def part(self) -> Decimal:
        return self.given / (self.given + self.missing)


def _shares(simulation: Simulation, entries: Sequence[Entry]) -> Iterator[str]:
    """Who gets the free balance where it does not cover all additions, by the way that the schedule's policy says."""
    limits = simulation.schedule.limits or Limits()
    found = [share for entry in entries if (share := _share(simulation, entry, limits.when_short)) is not None]
    for first in (share for share in found if share.missing):
        for other in (share for share in found if share.given and share.address != first.address):
            if limits.when_short == "pro-rata":
                slack = 2 * (simulation.books.rules.amount_step + TOLERANCE)
                if abs(first.part - other.part) > slack / min(first.given + first.missing, other.given + other.missing):
                    yield f"{first.address} gets {first.part} of its need, and {other.address} {other.part}"
            elif first.rank < other.rank and (limits.when_short == "priority" or not first.given):
                yield f"{first.address} lacks {first.missing}; {other.address} comes after it and gets {other.given}"


def _share(simulation: Simulation, entry: Entry, way: str) -> _Share | None:
    move = entry.move
    if move is None or move.action != "add_margin" or (entry.missing is None and not entry.steps):
        return None
    given = move.amount if entry.steps else ZERO
    rank = (move.liquidation_distance_before is None, move.liquidation_distance_before or ZERO)
    if way == "priority":
        aims = enumerate(simulation.schedule.aims)
        priority = next(aim.priority for n, aim in aims if address_of(simulation.schedule, n) == entry.address)
        rank = (not priority, Decimal(priority))
    return _Share(address=entry.address, given=given, missing=entry.missing or ZERO, rank=rank)


def _days(simulation: Simulation) -> Iterator[str]:
    """What each day of the exchange's time got, where one journal knows all of it."""
    schedule = simulation.schedule
    limits = schedule.limits
    if limits is None or schedule.journals != (Knows.ALL,):
        return
    signed = {call.serial: call.signed_ms for call in simulation.written}
    added: Counter[int] = Counter()
    changes: Counter[int] = Counter()
    for effect in simulation.books.effects:
        if effect.actor == "api":
            day = signed[effect.request] // DAY_MS
            changes[day] += 1
            added[day] += max(ZERO, effect.change)  # type: ignore[assignment]
    for day, amount in added.items():
        if limits.day_add and amount > limits.day_add:
            yield f"{amount} were added on day {day - EPOCH_MS // DAY_MS}, and max_day_add is {limits.day_add}"
    for day, count in changes.items():
        if limits.day_changes and count > limits.day_changes:
            yield f"{count} changes on day {day - EPOCH_MS // DAY_MS}, and max_day_changes is {limits.day_changes}"


def at_rest(simulation: Simulation, last: Ran, further: Go) -> Iterator[str]:
    """Once nothing moves any more: what is below its floor is named, and a further run sends nothing."""
    result = last.result
    if result is None:
        return
    named = {entry.address: entry for entry in result.remaining}
    keys = {error.key for error in result.errors}
    for number, aim in enumerate(simulation.schedule.aims):
        address = address_of(simulation.schedule, number)
        position = simulation.books.positions.get((address.symbol, address.side.value, ISOLATED))
        if aim.bounds is None or position is None:
            continue
        found = value(simulation, simulation.books.view(), position, aim.bounds.measure)
        low = found is not None and found < Decimal(aim.bounds.floor) / 1000 * (1 - SLACK)
        if low and address not in named and not keys:
            yield f"{address} is at {found}, below its floor of {aim.bounds.floor}, and run {last.number} names it not"
        entry = named.get(address)
        if entry is not None and entry.status is Status.BLOCKED and entry.blocked_by == "formula":
            yield f"{address} is blocked by its formula: {entry.reason}"
    if result.exit_code in {0, 3, 4}:
        again = simulation.go(further)
        if again.writes:
            yield f"run {last.number} ended with {result.exit_code}, and a further run sent {again.writes} more"


def _aim_of(simulation: Simulation, effect: BookEffect) -> Aim | None:
    schedule = simulation.schedule
    for number, aim in enumerate(schedule.aims):
        address = address_of(schedule, number)
        if (address.symbol, address.side.value) == (effect.symbol, effect.side):
            return aim
    return None
