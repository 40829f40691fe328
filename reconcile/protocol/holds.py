"""Tell which rule holds an address, what it saw, and until when. Pure."""

from dataclasses import replace

from reconcile.evidence.staleness import stale_basis
from reconcile.journal.records import Effect
from reconcile.model.account import Position
from reconcile.model.holds import Hold
from reconcile.model.times import written
from reconcile.money import plain
from reconcile.protocol.rules import ADDS_UP, RULES, LookLater, Question, judge
from reconcile.protocol.timing import LET_GO_GRACES, LONG_AFTER_GRACES


def hold_of(ask: Question) -> Hold:
    """The hold of a reading that is not sound, by the first rule that requires a later one."""
    rule = next(rule for rule in RULES if isinstance(rule.finds(ask), LookLater))
    return _hold(rule.name, rule.says(ask), until_ms=_end(ask))


def unproven(move: Effect, position: Position | None, *, grace_ms: int) -> Hold:
    """The hold of a run's last look that differs from the margin our last step left, without a ledger read."""
    said = f"the last look of the run may be from before our last step ({step_text(move)})"
    is_before = stale_basis(position, move, (), long_after=True)
    graces = LET_GO_GRACES if is_before else LONG_AFTER_GRACES
    return _hold(ADDS_UP.name, said, until_ms=move.effect_ms + graces * grace_ms)


def _hold(by: str, said: str, *, until_ms: int) -> Hold:
    return Hold(by=by, reason=f"{said}; this rule holds it until {written(until_ms)} at most", until_ms=until_ms)


def step_text(move: Effect) -> str:
    """``1200 → 1500 at 2026-01-01T00:00:00Z``; raises LookupError for an effect that moved no margin."""
    if move.before is None or move.after is None:
        raise LookupError(f"telling of a step on {move.address}: it moved no margin; this is a bug")
    return f"{plain(move.before)} → {plain(move.after)} at {written(move.effect_ms)}"


def _end(ask: Question) -> int:
    """The first moment at which the same reading, taken then, would no longer be held.

    If no rule releases it, for example because a rule is switched off, the last moment at which one could.
    """
    moments = _moments(ask)
    free = (each for each in moments if not isinstance(judge(_taken(ask, each + 1)), LookLater))
    return next(free, max(moments, default=ask.look.sent_at_ms))


def next_moment(ask: Question) -> int:
    """The first moment after the look at which a rule may release it."""
    return _moments(ask)[0]


def _moments(ask: Question) -> list[int]:
    memory, grace_ms = ask.memory, ask.grace_ms
    moments = [] if memory.unseen_until_ms is None else [memory.unseen_until_ms]
    if memory.effect is not None:
        moments.append(memory.effect.effect_ms + grace_ms)
    if memory.move is not None:
        moments += [memory.move.effect_ms + count * grace_ms for count in (LONG_AFTER_GRACES, LET_GO_GRACES)]
    return [moment for moment in sorted(moments) if moment >= ask.look.sent_at_ms]


def _taken(ask: Question, sent_at_ms: int) -> Question:
    """The same question for a look that was sent at that time."""
    unseen_ms = ask.memory.unseen_until_ms
    is_seen = unseen_ms is None or unseen_ms < sent_at_ms
    return replace(
        ask,
        look=replace(ask.look, sent_at_ms=sent_at_ms),
        memory=replace(ask.memory, unseen_until_ms=None if is_seen else unseen_ms),
    )
