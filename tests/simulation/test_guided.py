"""The same worlds, led by Hypothesis: it chooses what happens next, looks at what came of it, and shrinks what fails.

After every step no margin is past its target by our doing; in the end the world is judged like any other.
"""

import os

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from reconcile.sandbox.registry import SIMULATED
from tests.simulation.hits import READ_NAMES, VALIDITY_MS, write_names
from tests.simulation.oracle import at_every_instant, at_the_end
from tests.simulation.schedule import MOVERS, READS, TIME, WRITE, Aim, Go, Happening, Schedule
from tests.simulation.simulation import Simulation

EXAMPLES = int(os.environ.get("SIMULATION_EXAMPLES", "25"))
STEPS = 12
_GRACE_MS = 5_000
_CALM_MOVERS = tuple(name for name in MOVERS if name not in {"crossed", "close", "flip"})


class Worlds(RuleBasedStateMachine):
    """One account of one exchange, and a program that is started, disturbed and killed."""

    def __init__(self) -> None:
        super().__init__()
        self.simulation = Simulation(Schedule())
        self.home = 0

    @initialize(
        exchange=st.sampled_from(sorted(SIMULATED)),
        declared=st.sampled_from((1_500, 700, 1_001)),
        second=st.booleans(),
        behind=st.sampled_from((0, _GRACE_MS)),
    )
    def begin(self, exchange: str, declared: int, second: bool, behind: int) -> None:  # noqa: FBT001 - drawn by name
        self.simulation.close()
        self.home = 0
        aim = Aim(target=declared, revised=1_000)
        aims = (aim, Aim(side="short", revised=1_200)) if second else (aim,)
        schedule = Schedule(
            exchange=exchange,
            aims=aims,
            runs=(),
            replicas=((behind, 0), (0, behind)) if behind else (),
            happenings=(Happening(where="stale", n=1, how="stale_ledger"),),  # keeps the past readable
        )
        self.simulation = Simulation(schedule)

    @rule(data=st.data(), number=st.integers(1, 2), share=st.integers(0, 101))
    def trouble_a_write(self, data: st.DataObject, number: int, share: int) -> None:
        exchange = self.simulation.schedule.exchange
        how = data.draw(st.sampled_from(write_names(exchange)), label="how")
        late = VALIDITY_MS[exchange] * share // 100
        self.simulation.arm(
            Happening(where=WRITE, n=number, how=how, value=late if how.startswith(("late", "kill_sent")) else 0)
        )

    @rule(where=st.sampled_from(READS), how=st.sampled_from(READ_NAMES), number=st.integers(1, 5))
    def trouble_a_read(self, where: str, how: str, number: int) -> None:
        value = {"slow": 2_000}.get(how, _GRACE_MS if how.startswith("stale") else 0)
        self.simulation.arm(Happening(where=where, n=number, how=how, value=value))

    @rule(where=st.sampled_from(("line", "flush", "lock")), how=st.sampled_from(("kill", "power")), n=st.integers(1, 6))
    def trouble_the_disk(self, where: str, how: str, n: int) -> None:
        self.simulation.arm(Happening(where=where, n=n, how=how))

    @rule(how=st.sampled_from(_CALM_MOVERS), in_ms=st.integers(0, 20_000), value=st.sampled_from((1, 100, 500)))
    def let_others(self, how: str, in_ms: int, value: int) -> None:
        self.simulation.arm(Happening(where=TIME, n=in_ms, how=how, value=value))

    @rule(milliseconds=st.sampled_from((100, 3_000, 10_000, 70_000)))
    def wait(self, milliseconds: int) -> None:
        self.simulation.pass_time(milliseconds)

    @rule(host=st.sampled_from(("one", "two")), moves=st.sampled_from((0, 0, 0, 1)), revised=st.booleans())
    def run(self, host: str, moves: int, revised: bool) -> None:  # noqa: FBT001 - drawn by name
        self.home = max(self.home, moves)
        self.simulation.then(Go(host=host, home=self.home, revised=revised))

    @precondition(lambda self: self.simulation.ran)
    @rule(command=st.sampled_from(("plan", "drift", "resolve")))
    def run_another_command(self, command: str) -> None:
        revised = self.simulation.schedule.runs[-1].revised
        self.simulation.then(Go(home=self.home, command=command, revised=revised))

    @invariant()
    def nothing_is_past_its_target(self) -> None:
        assert [*at_every_instant(self.simulation), *self.simulation.broken] == []

    def teardown(self) -> None:
        try:
            self.simulation.pass_time(21_000)
            self.simulation.rest()
            assert [*at_the_end(self.simulation), *at_every_instant(self.simulation), *self.simulation.broken] == []
        finally:
            self.simulation.close()


Worlds.TestCase.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)


TestWorlds = Worlds.TestCase
