"""A sandbox account, the program around it, and somebody else's hands, in virtual time: for tests of the use cases."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from reconcile.exchanges.http.wire import HttpRequest
from reconcile.model.account import DesiredAccount, Percent
from reconcile.model.plan import Plan, Result, SavedPlan
from reconcile.render.common.json import dumps
from reconcile.render.plan.json import plan_document
from reconcile.render.plan.saved import loads_plan
from reconcile.sandbox.demo import new_books
from reconcile.sandbox.faults import Faults, NoFaults
from reconcile.sandbox.registry import simulated
from reconcile.sandbox.values import HUMAN
from reconcile.usecases import apply as applying
from reconcile.usecases import plan as planning
from reconcile.usecases.world import World
from tests.simulation.loop import VirtualLoop
from tests.simulation.machine import EPOCH_MS, Killed
from tests.simulation.world import Place, Process, declared

T = TypeVar("T")
HOUR_MS = 3_600_000
TARGETS: Mapping[str, str] = {"BTCUSDT.long": "4500", "ETHUSDT.long": "1500"}
"""The demo account has 3000 behind BTCUSDT.long and 1500 behind ETHUSDT.long."""


def finish(work: Coroutine[Any, Any, T], loop: VirtualLoop) -> T:
    """Let it happen to its end, in virtual time; what is left over is cancelled and the loop closed."""
    asyncio.set_event_loop(None)
    try:
        return loop.run_until_complete(work)
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.close()


@dataclass(slots=True)
class Scene:
    """One demo account, on Binance unless said otherwise, that was opened an hour ago."""

    exchange: str = "binance"
    faults: Faults = field(default_factory=NoFaults)
    loop: VirtualLoop = field(default_factory=VirtualLoop)
    env: dict[str, str] = field(default_factory=dict)
    place: Place = field(init=False)
    _processes: int = 0

    def __post_init__(self) -> None:
        kind = simulated(self.exchange)
        books = new_books("main", kind.rules, kind.seed, now_ms=EPOCH_MS - HOUR_MS, keep_ms=120_000)
        books.effects.clear()
        self.place = Place(
            exchange=self.exchange, books=books, loop=self.loop, seed=1, faults=self.faults, cold_fence=False
        )

    def play(self, work: Coroutine[Any, Any, T]) -> T:
        """Let it happen, to its end; once per scene."""
        return finish(work, self.loop)

    def victim(self, *, is_heard: bool = True) -> Process:
        """A process that is killed at its first margin call: once the exchange has it, or else as it is sent."""
        victim = self.process()

        def die(request: HttpRequest, *_: object) -> None:
            if request.method == "POST":
                self.place.disk.kill(victim.disk)
                raise Killed

        if is_heard:
            victim.after = die
        else:
            victim.before = die
        return victim

    def process(self) -> Process:
        """A fresh process, as a pipeline's job is one."""
        self._processes += 1
        return self.place.process(f"p{self._processes}")

    def world(self, process: Process | None = None) -> World:
        """What a fresh process sees of the outside."""
        return replace((process or self.process()).world(), env=self.env)

    def margin(self, address: str) -> Decimal:
        """What stands behind a position, as the exchange's books have it."""
        symbol, _, side = address.rpartition(".")
        return self.place.books.margin(symbol, side)

    def by_hand(self, address: str, amount: str) -> None:
        """A person moves margin on the exchange."""
        symbol, _, side = address.rpartition(".")
        self.place.books.move_margin(symbol, side, Decimal(amount), now_ms=self.now_ms(), by=HUMAN)

    def fund(self, address: str, amount: str) -> None:
        """A funding payment."""
        symbol, _, side = address.rpartition(".")
        self.place.books.fund(symbol, side, Decimal(amount), now_ms=self.now_ms())

    def now_ms(self) -> int:
        """The exchange's time."""
        return EPOCH_MS + self.loop.now_ms()

    def moved_by_calls(self) -> list[tuple[str, Decimal]]:
        """Every margin call that took effect, people's included, oldest first."""
        return [
            (f"{effect.symbol}.{effect.side}", effect.change)
            for effect in self.place.books.effects
            if effect.cause in {"add", "reduce"}
        ]

    async def plan(
        self,
        desired: DesiredAccount,
        *,
        overrides: Mapping[str, str] | None = None,
        targets: Sequence[str] = (),
        expires_ms: int = HOUR_MS,
        headroom: Percent | None = None,
    ) -> Plan:
        """``reconcile plan`` in a process of its own."""
        return await planning.plan(
            self.world(),
            [desired],
            targets=targets,
            overrides={desired.name: overrides} if overrides else {},
            expires_ms=expires_ms,
            git_commit="abc",
            headroom=headroom,
        )

    async def saved(self, desired: DesiredAccount, **settings: Any) -> SavedPlan:
        """The plan as it comes back from the file it was saved in."""
        return loads_plan(dumps(plan_document(await self.plan(desired, **settings))))

    async def apply_saved(self, saved: SavedPlan, process: Process | None = None) -> Result:
        """``reconcile apply PLAN --auto-approve`` in a process of its own."""
        return await applying.apply(
            self.world(process),
            [account.desired for account in saved.plan.accounts],
            reason="reviewed",
            git_commit=saved.plan.git_commit,
            confirm=None,
            saved=saved,
        )

    async def apply(self, desired: DesiredAccount, process: Process | None = None) -> Result:
        """``reconcile apply --auto-approve`` in a process of its own."""
        return await applying.apply(self.world(process), [desired], reason=None, git_commit=None, confirm=None)

    async def pass_time(self, milliseconds: int) -> None:
        """Let it be later."""
        await asyncio.sleep(milliseconds / 1000)


def desired(
    targets: Mapping[str, str] = TARGETS, *, tolerance: str = "0.01", path: Path | None = None, **policy: Any
) -> DesiredAccount:
    """An account as declared, with one tolerance (an amount) for all; ``path`` is written, so that it is there."""
    made = declared("binance", targets)
    made = replace(
        made,
        policy=replace(made.policy, **policy),
        targets=tuple(
            replace(target, tolerance=replace(target.tolerance, value=Decimal(tolerance))) for target in made.targets
        ),
    )
    if path is None:
        return replace(made, path="/nowhere/main.toml")
    from hashlib import sha256

    return replace(made, path=str(path), sha256=sha256(path.read_bytes()).hexdigest())


def the_error(result: Result) -> tuple[int, str, str]:
    """Exit code, key and message of a result that one account refused."""
    (account,) = result.accounts
    (error,) = account.errors
    return account.exit_code, error.key, error.message


Act = Callable[[Scene], Coroutine[Any, Any, T]]


def play(act: Act[T], scene: Scene | None = None) -> tuple[T, Scene]:
    """Act in a scene; what came of it, and the scene as it is afterwards."""
    scene = scene or Scene()
    return scene.play(act(scene)), scene
