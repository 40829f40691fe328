"""How a life takes its turns in a world: an event of the moment, and what is under way meanwhile."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from reconcile.protocol import machine
from reconcile.protocol.life import Turned
from reconcile.protocol.signals import CannotRead, Memory, Now, Resumed, SomeEvent
from tests.explorer.model import TIMEOUT_MS, Flight, Kind, Library, Reckoning, Row, Scope, Slot, Stage, World, slot_at


class Move(NamedTuple):
    """One thing that happened, and the world after it. ``wrong`` says which promise it broke, empty: none."""

    what: str
    world: World
    wrong: str = ""


class Turns:
    """What every move is made of, in one scope."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.clocks = (Reckoning(scope.clock_ms, scope.clock_ms), *scope.reckonings)
        """How far our clocks may be off; a world names one by its number."""
        self.library = Library()
        self._memories: dict[Memory, Memory] = {}
        self._remembered: dict[object, Memory] = {}
        self._wrong = ""
        self.turned: dict[tuple[int, int, object, int | None], int] = {}
        """The lives after each event that was told."""

    def _told(self, world: World, told: object, event: Callable[[Now], SomeEvent], what: str) -> Move:
        """The world after an event of its moment. ``told`` tells it from every other event that the life can take then:
        what one world has found out is not asked of the machine again for the next."""
        rare = world.rare
        key = (world.life, world.at_ms, told, None if rare is None else rare.clock)
        number = self.turned.get(key)
        if number is None:
            life = self.library.stage(world.life).life
            number = self.turned[key] = self._number(machine.on(life, event(self._now(world))))
        return Move(what, world._replace(life=number))

    def _on(self, what: str, world: World, turned: Turned) -> Move:
        return Move(what, world._replace(life=self._number(turned)))

    def _number(self, turned: Turned) -> int:
        life, commands = turned
        return self.library.number(Stage(life, commands[-1]))  # type: ignore[arg-type]

    def _now(self, world: World) -> Now:
        early_ms, late_ms, _ = self._reckoning(world)
        return Now(world.at_ms - early_ms, world.at_ms + late_ms)

    def _reckoning(self, world: World) -> Reckoning:
        return self.clocks[0 if world.rare is None else world.rare.clock]

    # What nobody of ours does.

    def _others(self, world: World) -> Iterator[Move]:
        faults, crashes, others = world.left
        if not others:
            return
        after = world._replace(left=(faults, crashes, others - 1))
        slot = slot_at(self.scope, world.rows, world.at_ms)
        for what, row in self._their_rows(world.at_ms, slot):
            yield Move(what, after._replace(rows=(*world.rows, row)))

    def _their_rows(self, at_ms: int, slot: Slot) -> Iterator[tuple[str, Row]]:
        scope = self.scope
        for amount in scope.other_side:
            yield f"the other side's margin moves {amount:+}", Row(at_ms, amount, kind=Kind.OTHER_SIDE)
        for price in scope.marks:
            yield f"the mark price is {price}", Row(at_ms, price, kind=Kind.MARK)
        if slot.margin is None:
            if scope.reopens:
                yield "the position is opened again", Row(at_ms, scope.before, kind=Kind.OPEN)
            return
        for amount in scope.by_hand:
            if slot.margin + amount > 0:
                yield f"a person moves {amount:+}", Row(at_ms, amount)
        for amount in scope.fills:
            if slot.margin + amount > 0 and (amount > 0 or slot.size > 1):
                yield f"a fill moves {amount:+}", Row(at_ms, amount, kind=Kind.FILL)
        for amount in scope.funding:
            yield f"funding of {amount:+}", Row(at_ms, amount, kind=Kind.FUNDING)
        if scope.reopens:
            yield "the position is closed", Row(at_ms, -slot.margin, kind=Kind.CLOSE)

    # What is under way.

    def _flown(self, world: World, until_ms: int) -> Iterator[World]:
        """The world at a later moment: what is under way arrives at once, in the middle, at the end, or not yet."""
        later = world._replace(at_ms=until_ms)
        if not world.flights:
            yield later
            return
        flight = world.flights[0]
        last = min(flight.until_ms, until_ms)
        if flight.until_ms > until_ms:
            yield later
        elif flight.said_ms is None:
            yield later._replace(flights=world.flights[1:])  # it never arrives
        for moment in sorted({world.at_ms, (world.at_ms + last) // 2, last}):
            if world.at_ms <= moment <= flight.until_ms:
                yield self._effect(later, flight, moment)

    def _effect(self, world: World, flight: Flight, moment: int) -> World:
        rows = world.rows
        if flight.kind is not Kind.CALL or slot_at(self.scope, rows, moment).margin is not None:
            early_ms = 0 if flight.said_ms is None else moment - flight.said_ms
            rows = tuple(sorted([*rows, Row(moment, flight.change, flight.intent, flight.kind, early_ms)]))
        return world._replace(rows=rows, flights=tuple(each for each in world.flights if each is not flight))

    def _failed(self, world: World) -> Iterator[Move]:
        faults, crashes, others = world.left
        if faults:
            later = world._replace(at_ms=world.at_ms + TIMEOUT_MS, left=(faults - 1, crashes, others))
            yield self._told(later, "cannot read", lambda now: CannotRead(at=now, reason="timeout"), "a read fails")


def resumed(now: Now) -> Resumed:
    """What was waited for is over."""
    return Resumed(at=now)
