"""The switch by which an exchange adds margin to a position by itself, compared with the declared setting."""

from dataclasses import replace

from reconcile.model.account import Position, Target
from reconcile.model.auto_add import AutoAdd, SetAutoAdd
from reconcile.model.plan import Entry, Status
from reconcile.model.traits import Traits
from reconcile.planning.moves import StepId
from reconcile.planning.obstacles import refused


def fights(target: Target, position: Position, traits: Traits) -> bool:
    """Whether the exchange's own additions conflict with a move of margin.

    They do not if auto-add is declared, or if a step turns it off before the move.
    """
    return position.auto_add and (target.auto_add is None or not traits.sets_auto_add)


def with_switch(entry: Entry, target: Target, position: Position, traits: Traits, step_id: StepId) -> Entry:
    """The entry with a step that sets the switch as declared before its margin moves.

    A blocked entry changes nothing, so the switch waits with its margin.
    """
    if target.auto_add is None or target.auto_add is position.auto_add:
        return entry
    now, wanted = AutoAdd.of(position.auto_add), AutoAdd.of(target.auto_add)
    if not traits.sets_auto_add:
        by_hand = f"auto-add margin is {now}, and no call of {traits.title} switches it; switch it {wanted} there"
        return refused(entry, [("auto_add", by_hand)])
    if entry.status is Status.BLOCKED:
        return replace(entry, reason=f"{entry.reason}; auto-add stays {now} until then")
    step = SetAutoAdd(step_id=step_id(target.address, "set_auto_add"), address=target.address, before=now, after=wanted)
    return replace(entry, status=Status.CHANGE, steps=(step, *entry.steps))
