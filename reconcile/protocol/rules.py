"""The rules of freshness: whether a look may be computed from, as a table of named rules, each with its reason. Pure.

A read may come from a replica that lags behind an earlier read, or behind a read of an earlier run.
"""

from collections.abc import Callable
from dataclasses import dataclass

from reconcile.evidence.rows import CLOCK_AHEAD_MS
from reconcile.evidence.staleness import stale_basis
from reconcile.model.ledger import LedgerRead
from reconcile.model.times import written
from reconcile.money import plain
from reconcile.protocol.signals import LaneLook, Memory, Now
from reconcile.protocol.timing import LET_GO_GRACES, LONG_AFTER_GRACES, unsure_from


@dataclass(frozen=True, slots=True)
class Sound:
    """The look may be computed from."""


@dataclass(frozen=True, slots=True)
class AskLedger:
    """The ledger's rows since ``since_ms`` decide."""

    since_ms: int


@dataclass(frozen=True, slots=True)
class LookLater:
    """Only a look that is sent later than ``than_ms`` may be computed from."""

    than_ms: int


Finding = Sound | AskLedger | LookLater


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The question whether a look is sound. ``ledger`` is the symbol's; None: not read yet."""

    look: LaneLook
    memory: Memory
    ledger: LedgerRead | None
    grace_ms: int
    at: Now


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule of freshness: its finding (None: the next rule decides), and the reason for the rule.

    ``says`` tells a person what the rule saw if it requires a later look; other rules say nothing.
    """

    name: str
    why: str
    finds: Callable[[Question], Finding | None]
    says: Callable[[Question], str] = lambda _: ""


def _within_the_grace(ask: Question) -> Finding | None:
    effect = ask.memory.effect
    if effect is None or ask.look.sent_at_ms > effect.effect_ms + ask.grace_ms:
        return None
    return LookLater(effect.effect_ms + ask.grace_ms)


def _unknown_call(ask: Question) -> Finding | None:
    return None if ask.memory.unseen_until_ms is None else LookLater(ask.memory.unseen_until_ms)


def _no_step_of_ours(ask: Question) -> Finding | None:
    return Sound() if ask.memory.move is None or ask.look.position is None else None


def _let_go(ask: Question) -> Finding | None:
    return Sound() if _age_ms(ask) > LET_GO_GRACES * ask.grace_ms else None


def _past_our_step(ask: Question) -> Finding | None:
    move = ask.memory.move
    if move is None or not _is_long_after(ask) or stale_basis(ask.look.position, move, (), long_after=True):
        return None
    return Sound()


def _adds_up(ask: Question) -> Finding | None:
    move, ledger = ask.memory.move, ask.ledger
    if move is None:
        return None
    unsure_ms = unsure_from(move, grace_ms=ask.grace_ms)
    if ledger is None:
        return AskLedger(min(unsure_ms, move.signed_ms - CLOCK_AHEAD_MS))
    is_stale = not ledger.reaches_back or stale_basis(
        ask.look.position,
        move,
        ledger.rows,
        shared=ask.look.shared,
        long_after=_is_long_after(ask),
        unsure_since_ms=unsure_ms,
        older=ask.memory.older,
    )
    return LookLater(ask.at.earliest_ms - 1) if is_stale else Sound()


def _says_within_the_grace(ask: Question) -> str:
    effect = ask.memory.effect
    if effect is None:
        return ""
    step = f"our last step there took effect by {written(effect.effect_ms)}"
    if effect.effect_ms > ask.at.latest_ms:
        return f"{step}, and the exchange's clock now shows {written(ask.at.latest_ms)}: it was set back, or is wrong"
    return f"{step}, and a reading may be {ask.grace_ms / 1000:g} s late"


def _says_unknown_call(_: Question) -> str:
    return (
        "the exchange's ledger has a margin call that this journal does not know, and a reading may be from before it"
    )


def _says_adds_up(ask: Question) -> str:
    move, position = ask.memory.move, ask.look.position
    if move is None or move.before is None or move.after is None or position is None:
        return ""
    step = f"{plain(move.before)} → {plain(move.after)} by {written(move.effect_ms)}"
    reads = f"the margin reads {plain(position.isolated_margin)} after our last step ({step})"
    if _is_long_after(ask):
        return f"{reads}: the step does not show in it, and no ledger row explains that"
    return f"{reads}; the step and the ledger's rows do not prove that this reading is from after it"


def _age_ms(ask: Question) -> int:
    return ask.look.sent_at_ms - (0 if ask.memory.move is None else ask.memory.move.effect_ms)


def _is_long_after(ask: Question) -> bool:
    return _age_ms(ask) > LONG_AFTER_GRACES * ask.grace_ms


ADDS_UP = Rule(
    name="adds up",
    why="what our step left and the ledger's rows since must add up to the reading",
    finds=_adds_up,
    says=_says_adds_up,
)
RULES = (
    Rule(
        name="within the grace",
        why="a read may come from a replica that has not seen the lane's last effect",
        finds=_within_the_grace,
        says=_says_within_the_grace,
    ),
    Rule(
        name="unknown call",
        why="the ledger has a call that this journal does not know, and positions may be ten graces late",
        finds=_unknown_call,
        says=_says_unknown_call,
    ),
    Rule(
        name="no step of ours",
        why="where no step of ours moved this margin, no reading can be from before it",
        finds=_no_step_of_ours,
    ),
    Rule(
        name="let go",
        why="a hundred graces after a step no reading is from before it any more",
        finds=_let_go,
    ),
    Rule(
        name="past our step",
        why="after ten grace periods stale reads are not expected: only the margin from before the step is doubted",
        finds=_past_our_step,
    ),
    ADDS_UP,
)
"""The rules in the order in which they apply; the first that finds anything decides."""


def judge(question: Question) -> Finding:
    """Whether a look may be computed from, by the first of the rules that finds anything."""
    return next((found for rule in RULES if (found := rule.finds(question)) is not None), Sound())
