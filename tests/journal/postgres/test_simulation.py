"""The simulation on a shared journal: virtual time and a simulated exchange, but a real PostgreSQL, really cut off.

What happens at a journal's line or flush happens here before and after the statement that writes. A process that dies
loses its database session; what it had committed stays.
"""

import os
import secrets
from collections.abc import Sequence
from dataclasses import replace
from itertools import count, cycle
from typing import Any

import pytest

from reconcile.errors import JournalError
from reconcile.journal.postgres.queries import lines_of, number_of, page_of, reading
from reconcile.journal.postgres.session import Session
from reconcile.journal.postgres.store import PostgresStore
from reconcile.journal.postgres.url import DatabaseUrl, place_of
from reconcile.sandbox.registry import SIMULATED
from reconcile.usecases.world import World
from tests.kit.postgres_server import Server
from tests.simulation.explore import exhaustive, random_schedule, roots
from tests.simulation.machine import Killed
from tests.simulation.oracle import Verdict, at_every_instant, at_the_end
from tests.simulation.schedule import Happening, Schedule
from tests.simulation.simulation import Simulation

SEED = int(os.environ.get("SIMULATION_SEED") or secrets.randbelow(1 << 40))
SCHEDULES = int(os.environ.get("SHARED_SCHEDULES") or 60)
_NUMBERS = count(1)


class Mortal(Session):
    """A session of a simulated process: it dies with that, and where the schedule says so."""

    def __init__(self, place: DatabaseUrl, simulation: "Shared", process: Any) -> None:
        if process.dead:
            raise Killed
        super().__init__(place)
        self._simulation, self._process = simulation, process
        simulation.sessions.append((process, self))

    def insert(self, identity: str, journal: int, *, after: int, head: str, lines: Sequence[bytes]) -> None:
        """See ``Session.insert``."""
        self._point("line")
        super().insert(identity, journal, after=after, head=head, lines=lines)
        self._point("flush")

    def _point(self, where: str) -> None:
        if self._process.dead:
            raise Killed
        each = self._simulation.happening(where)
        if each is None:
            return
        if each.how in {"full", "failing"}:
            raise JournalError("writing the journal: no room is left; check the database")
        self._simulation.die(self._process, power=each.how.startswith("power"))
        raise Killed


class Shared(Simulation):
    """A simulation whose processes keep their journals in one database, whatever their homes."""

    def __init__(self, schedule: Schedule, place: DatabaseUrl, *, watch: bool = False) -> None:
        super().__init__(schedule, watch=watch)
        self.sessions: list[tuple[Any, Session]] = []
        self._place = place
        self._number = next(_NUMBERS)
        self._identity = ""

    def die(self, process: Any, *, power: bool) -> None:
        """The database notices."""
        super().die(process, power=power)
        for victim, session in self.sessions:
            if victim.dead:
                session.close()

    def journal(self, home: int = 0) -> bytes:  # noqa: ARG002 - there is only one place
        """The journal's lines as one text."""
        with reading(self._place, "reading") as connection:
            number = None if connection is None else number_of(connection, self._identity)
            if connection is None or number is None:
                return b""
            found = connection, number
            return b"".join(lines_of(lambda seq: page_of(*found, seq)))

    def close(self) -> None:
        """Give everything back."""
        for _, session in self.sessions:
            session.close()
        super().close()

    def _machine(self, process: Any, each: Happening) -> None:
        if each.how == "lock_replaced" and not process.dead:
            for mine in [session for owner, session in self.sessions if owner is process]:
                mine.close()
        super()._machine(process, each)

    def _world(self, process: Any) -> World:
        store = PostgresStore(self._place, process.clock, self._blocking, lambda place: Mortal(place, self, process))
        return replace(super()._world(process), store=store)

    def _identify(self, uid: str | None, label: str) -> str:
        self._identity = f"{super()._identify(uid, label)}-{self._number}"
        return self._identity


def judged(schedule: Schedule, url: str, *, watch: bool = False) -> Verdict:
    """As ``oracle.verdict``, on a shared journal."""
    simulation = Shared(schedule, place_of(url), watch=watch)
    try:
        simulation.play()
        simulation.rest()
        found = (*at_the_end(simulation), *at_every_instant(simulation), *simulation.broken)
    finally:
        simulation.close()
    return Verdict(schedule=schedule, violations=tuple(dict.fromkeys(found)), simulation=simulation)


@pytest.fixture(scope="module")
def database(server: Server) -> str:
    server.clear()
    return server.url


def test_every_single_fault_at_every_point_is_survived_on_a_shared_journal(database: str) -> None:
    verdicts = list(exhaustive(roots("binance")[0], 1, judge=lambda schedule: judged(schedule, database)))

    kinds = {each.where for found in verdicts for each in found.schedule.happenings}
    assert {"line", "flush", "write"} <= kinds
    assert [(found.schedule.to_json(), found.violations) for found in verdicts if found.violations] == []


def test_fresh_random_schedules_are_survived_on_a_shared_journal(database: str) -> None:
    verdicts = [
        judged(random_schedule(SEED + number, exchange), database)
        for number, exchange in zip(range(SCHEDULES), cycle(SIMULATED), strict=False)
    ]

    wrong = [(found.schedule.to_json(), found.violations) for found in verdicts if found.violations]
    assert wrong == [], f"SIMULATION_SEED={SEED}"
