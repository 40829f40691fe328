"""A state file under a shock: the real planning, round by round, in a market that moves. Pure.

All mark prices move by the same share, in equal steps. Before each round's plan, a position that has reached its
liquidation price is lost. The calls of the plan take effect before the next step. Liquidation prices follow the
exchange's formula.
"""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from reconcile.model.account import Address, DesiredAccount, MarginType, ObservedAccount, Position, Target
from reconcile.model.plan import AccountPlan, MoveMargin, Status
from reconcile.model.rehearsal import Fate, Rehearsal
from reconcile.model.traits import Traits
from reconcile.money import ZERO, minus, plus
from reconcile.planning.day_limits import DayUsed
from reconcile.planning.order import plan_account
from reconcile.planning.policy import NOTHING_USED

_PLENTY = Decimal(10) ** 15
"""A free balance that never limits."""


def rehearse_move(
    desired: DesiredAccount,
    look: ObservedAccount,
    traits: Traits,
    *,
    shock: Decimal,
    rounds: int,
    used: DayUsed = NOTHING_USED,
) -> Rehearsal:
    """Rehearse a straight move by ``shock`` (above -1) in ``rounds`` (at least 1) equal steps.

    ``used`` is what the runs of the day have sent so far.
    """
    run = _Run(desired, look, traits, used)
    run.play(shock, rounds)
    rich = _Run(desired, replace(look, available=dict.fromkeys(run.assets(), _PLENTY)), traits, used)
    rich.play(shock, rounds)
    return Rehearsal(shock=shock, fates=run.fates(), available=look.available, added=run.added, needed=rich.added)


class _Run:
    def __init__(self, desired: DesiredAccount, look: ObservedAccount, traits: Traits, used: DayUsed) -> None:
        self.desired = desired
        self.traits = traits
        self.look = look
        self.used = used
        self.added: dict[str, Decimal] = {}
        self.start = {
            address: held
            for address, held in look.positions.items()
            if held.is_open and held.margin_type is MarginType.ISOLATED and held.risk is not None and held.mark_price
        }
        self.margins = {address: held.isolated_margin for address, held in self.start.items()}
        self.lost: dict[Address, Decimal] = {}
        self.stopped: dict[Address, str] = {}
        self.targets: Mapping[Address, Target] = {target.address: target for target in desired.targets}

    def assets(self) -> set[str]:
        """The margin assets of the open positions."""
        return {held.asset for held in self.start.values()}

    def play(self, shock: Decimal, rounds: int) -> None:
        """Move the market to its end, planning after each step."""
        for number in range(1, rounds + 1):
            self._move(1 + shock * number / rounds)
            self._take(self._plan())

    def fates(self) -> tuple[Fate, ...]:
        """The end of each position."""
        return tuple(
            Fate(
                address=address,
                asset=held.asset,
                mark_before=held.mark_price or ZERO,
                margin_before=held.isolated_margin,
                margin_after=ZERO if address in self.lost else self.margins[address],
                liquidated_at=self.lost.get(address),
                stopped_by=self._why(address),
            )
            for address, held in sorted(self.start.items())
        )

    def _why(self, address: Address) -> str | None:
        if address in self.stopped or address not in self.lost:
            return self.stopped.get(address)
        target = self.targets.get(address)
        if target is None:
            return "undeclared"
        return "too fast" if target.band is not None else "amount"

    def _move(self, factor: Decimal) -> None:
        positions = dict(self.look.positions)
        for address, first in self.start.items():
            positions.pop(address, None)
            if address in self.lost:
                continue
            held = _at(first, factor, self.margins[address])
            distance = held.distance_to(held.liquidation_price)
            if distance is not None and distance <= 0:
                self.lost[address] = held.liquidation_price or ZERO
                continue
            positions[address] = held
        self.look = replace(self.look, positions=positions)

    def _plan(self) -> AccountPlan:
        return plan_account(
            self.desired,
            self.look,
            held={},
            traits=self.traits,
            plan_id="rehearsal",
            observed_wall_ms=0,
            identity="",
            used=self.used,
        )

    def _take(self, plan: AccountPlan) -> None:
        refused = plan.errors[0].key if plan.errors else None
        for entry in plan.entries:
            reason = refused if entry.status is Status.CHANGE else entry.blocked_by
            if reason is not None:
                self.stopped[entry.address] = reason
            elif entry.address not in self.lost:
                self.stopped.pop(entry.address, None)
        if refused is None:
            for step in plan.steps:
                if isinstance(step, MoveMargin) and step.address in self.margins:
                    self._send(step)

    def _send(self, step: MoveMargin) -> None:
        self.margins[step.address] = plus(self.margins[step.address], step.signed)
        free = dict(self.look.available)
        free[step.asset] = minus(free.get(step.asset, ZERO), step.signed)
        self.look = replace(self.look, available=free)
        day = dict(self.used.added)
        if step.action == "add_margin":
            for total in (self.added, day):
                total[step.asset] = plus(total.get(step.asset, ZERO), step.amount)
        self.used = DayUsed(added=day, changes=self.used.changes + 1)


def _at(first: Position, factor: Decimal, margin: Decimal) -> Position:
    """A position as it would show with its first mark price times ``factor`` and this margin."""
    mark = (first.mark_price or ZERO) * factor
    moved = replace(first, mark_price=mark, isolated_margin=margin)
    risk = None if first.risk is None else first.risk.moved(mark, margin)
    exposure = None if risk is None else risk.exposure()
    return replace(
        moved,
        risk=risk,
        liquidation_price=None if risk is None else risk.liquidation_price(margin),
        notional=first.notional if exposure is None else exposure.notional,
    )
