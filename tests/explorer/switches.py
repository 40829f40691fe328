"""Every rule of the protocol as a switch: with it off, some scope has a counterexample.

A rule whose absence no scope shows is listed in ``COVERED`` with the rule that covers it.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

from reconcile.errors import InDoubt, NotSent
from reconcile.evidence import rows, staleness, verdict
from reconcile.evidence.possible import MarginEvidence, Possible
from reconcile.evidence.verdict import Sight, Verdict
from reconcile.journal.file.lock import FileLock
from reconcile.journal.file.writer import FileJournal
from reconcile.journal.state import JournalState
from reconcile.planning import policy
from reconcile.protocol import confirming, decision, holds, machine, rules, searching, sending
from reconcile.protocol.earlier import Earlier
from reconcile.protocol.life import Doing
from reconcile.protocol.outcomes import outcome_of
from reconcile.protocol.signals import Now, Write
from reconcile.usecases import account_run
from tests.explorer import runs
from tests.explorer.model import Scope

_FAULT = Scope(runs=1)
_KILL = Scope(crashes=1)
_KNOWS = Scope(runs=1, knows=True)
_REVERT = Scope(targets=(1300, 1000, 1300), runs=3, faults=0)
_LATE = Scope(positions_late=10, targets=(1300, 1600), waits=(0, 20_000), faults=0)
_LOST = Scope(crashes=1, forgets=True, positions_late=10, waits=(0, 20_000), faults=1)
_MARK = Scope(before=1600, runs=1, others=2, by_hand=(-70,), marks=(9_600, 9_700), min_distance=10)
_HANDS = Scope(others=1, by_hand=(300, -300, 70), runs=1)
_OTHER_YES = Scope(
    others=1,
    by_hand=(300,),
    targets=(1300, 1600),
    waits=(0, 6_000),
    validity_ms=30_000,
    names_side=False,
    other_yes=70,
)
_JUST_BEFORE = Scope(positions_late=10, targets=(1300, 1600), waits=(3_000, 20_000), faults=0, others=1, by_hand=(300,))
_EQUAL = Scope(targets=(1300, 1600), early_ms=1_000, grace_ms=1_000, positions_late=0, ledger_late=0)
_ROBBED = Scope(faults=0, crashes=1, loses_lock=True)
_SLOW = Scope(runs=1, waits=(2_000,), others=1, by_hand=(250,), slow_ms=4_500)


@dataclass(frozen=True, slots=True)
class Switch:
    """A rule, how to turn it off, and the scope in which that costs money or truth.

    ``unseen`` says why the simulation does not show the counterexample; empty: it does.
    """

    rule: str
    off: Callable[[], AbstractContextManager[None]]
    scope: Scope
    unseen: str = ""


@contextmanager
def _patched(*changes: tuple[Any, str, Any]) -> Iterator[None]:
    with ExitStack() as stack:
        for target, name, value in changes:
            stack.enter_context(patch.object(target, name, value))
        yield


def _without(name: str) -> Callable[[], AbstractContextManager[None]]:
    """Without a rule a hold may have no end, so none is told."""
    kept = tuple(rule for rule in rules.RULES if rule.name != name)
    return lambda: _patched((rules, "RULES", kept), (holds, "_end", lambda ask: ask.look.sent_at_ms))


def _fence(shorter: Callable[[Any], int]) -> Callable[[], AbstractContextManager[None]]:
    made = decision.intent_of

    def early(task: Any, *given: Any, **named: Any) -> Any:
        intent = made(task, *given, **named)
        return replace(intent, fence_ms=intent.fence_ms - shorter(task))

    return lambda: _patched((decision, "intent_of", early))


class _Eager(Sight):
    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0


def _one_look() -> AbstractContextManager[None]:
    seen_of = verdict.sight

    def eager(*given: Any, **named: Any) -> Sight:
        seen = seen_of(*given, **named)
        return _Eager(
            rows=seen.rows,
            margin=seen.margin,
            complete=seen.complete,
            maybe=seen.maybe,
            live=seen.live,
        )

    return _patched((searching, "sight", eager))


def _margin_alone() -> AbstractContextManager[None]:
    """The ledger is not asked: the margin decides."""
    judged = verdict.judge
    return _patched((searching, "judge", lambda seen, **named: judged(replace(seen, rows=()), **named)))


def _ledger_alone() -> AbstractContextManager[None]:
    """No row means that nothing happened, whatever the margin says."""
    return _patched((searching, "judge", lambda seen, **_: Verdict.APPLIED if seen.rows else Verdict.NOT_APPLIED))


def _yes_is_doubt() -> AbstractContextManager[None]:
    judged = verdict.judge
    return _patched((searching, "judge", lambda seen, **named: judged(seen, **{**named, "was": None})))


def _resend() -> AbstractContextManager[None]:
    """Doubt is taken for a proof that nothing happened."""

    def answered(life: Any, event: Any) -> Any:
        if isinstance(event.answer, InDoubt):
            event = replace(event, answer=NotSent("lost"))
        return told(life, event)

    told = sending.TURNS[Doing.ANSWER]
    return _patched((machine, "TURNS", {**machine.TURNS, Doing.ANSWER: answered}))


def _amount_not_compared() -> AbstractContextManager[None]:
    """Any yes is a yes to our call."""
    return _patched((decision, "another_amount", lambda *_: None))


def _intent_not_flushed() -> AbstractContextManager[None]:
    """Nor does a journal's file tell that it lost its end: the program notices that, the explorer has no files."""
    journal = sending._journal

    def lazy(life: Any) -> Any:
        after, commands = journal(life)
        return after, tuple(replace(each, durable=False) if isinstance(each, Write) else each for each in commands)

    return _patched((sending, "_journal", lazy), (FileJournal, "was_changed", property(lambda _: False)))


def _restart_forgets() -> AbstractContextManager[None]:
    add = JournalState.add

    def forgetful(self: Any, record: Any, *, at: str) -> None:
        add(self, record, at=at)
        self.unsettled.clear()
        self.lanes.clear()

    return _patched((JournalState, "add", forgetful))


def _claims_forgotten() -> AbstractContextManager[None]:
    matched = rows.match_rows

    def any_row(found: Any, intent: Any, *, claims: Any, **named: Any) -> Any:
        return matched(found, intent, claims=(), **named)

    return _patched((verdict, "match_rows", any_row))


def _others_forgotten() -> AbstractContextManager[None]:
    """Our other calls account for no row."""
    seen = verdict.sight
    return _patched((searching, "sight", lambda *given, **named: seen(*given, **{**named, "known": ()})))


def _none_unsure(module: Any) -> Callable[[], AbstractContextManager[None]]:
    """Every row from before a step is in the margin that it was computed from."""
    return lambda: _patched((module, "unsure_rows", lambda *_, **__: []))


def _no_quarter() -> AbstractContextManager[None]:
    """Any margin that is not where it was has moved by our amount."""

    def rough(self: Any, reading: Any) -> MarginEvidence:
        return MarginEvidence.MOVED if reading != self.before else MarginEvidence.NOT_MOVED

    return _patched((Possible, "verdict", rough))


def _cold_fence() -> AbstractContextManager[None]:
    """Here and in the program itself."""
    return _patched((runs, "COLD_FENCE", False), (account_run, "cold_until", lambda *_: None))


def _chain() -> AbstractContextManager[None]:
    """Here and in the program itself: no record asks for the lock, nor for the journal's end."""
    return _patched(
        (runs, "CHAIN", False), (FileLock, "check", lambda _: None), (FileJournal, "_check_end", lambda _: None)
    )


def _unknown_call() -> AbstractContextManager[None]:
    """Neither is the look judged by it, nor waited for before a plan is made."""
    kept = tuple(rule for rule in rules.RULES if rule.name != "unknown call")
    return _patched((rules, "RULES", kept), (Earlier, "until", lambda *_: None))


def _planned_amount() -> AbstractContextManager[None]:
    from reconcile.planning.fresh import Send

    return _patched((decision, "fresh_move", lambda _, step, *__: Send(amount=step.amount)))


def _policy_not_asked() -> AbstractContextManager[None]:
    return _patched((policy, "recheck", lambda *_: None))


def _policy_of_the_plan() -> AbstractContextManager[None]:
    asked = policy.recheck
    return _patched((policy, "recheck", lambda limits, step, _, *rest: asked(limits, step, step.amount, *rest)))


def _age_not_asked() -> AbstractContextManager[None]:
    """Only before the intent is written, not at the turn to send."""

    def at_once(life: Any, event: Any) -> Any:
        return on_wire(life, replace(event, at=Now(life.look.sent_at_ms, life.look.sent_at_ms)))

    on_wire = sending.TURNS[Doing.WIRE]
    return _patched((machine, "TURNS", {**machine.TURNS, Doing.WIRE: at_once}))


def _yes_is_enough() -> AbstractContextManager[None]:
    """A yes is reported as seen without a look."""
    return _patched((confirming, "visible", lambda intent, *_, **__: intent.wanted))


def _yes_without_grace() -> AbstractContextManager[None]:
    """After a yes the first two looks that agree decide, however soon they come."""
    weigh = searching._weigh

    def at_once(life: Any, seen: Any, now: Any) -> Any:
        search = searching._the_search(life)
        early_ms = 0 if search.effect_ms is None else search.effect_ms + life.task.grace_ms
        if seen != search.previous or search.asked_ms > early_ms:
            return weigh(life, seen, now)
        judgement = searching._judgement(life, seen, late=searching._is_late(life, now))
        effect_ms = searching._not_before(life)
        said_yes = search.was is not None
        return searching._end(
            life, outcome_of(life.the_intent, seen, judgement, effect_ms=effect_ms, said_yes=said_yes)
        )

    return _patched((searching, "_weigh", at_once))


def _search_ends() -> AbstractContextManager[None]:
    """The search ends with the first look that settles nothing."""
    return _patched((searching, "LEAST_LOOKS", 0), (searching, "SETTLE_GRACES", 0))


def _any_look_again() -> AbstractContextManager[None]:
    """The next attempt takes any look that is young."""
    ended = machine.TURNS[Doing.END]

    def at_once(life: Any, event: Any) -> Any:
        after, commands = ended(life, event)
        return replace(after, not_before_ms=0), commands

    return _patched((machine, "TURNS", {**machine.TURNS, Doing.END: at_once}))


_WAITS_FIRST = "the shortest path waits between plan and call for a person's call; a run waits for that before it plans"
_NO_MARK = "the mark price of the simulation does not move, and its policy has no least distance to liquidation"
_LIKE_OURS = "where another party moves nearly our amount, the simulation lets the journal take it for ours"
_NO_AGE = "the promise is about the age of a look; the simulation judges what the books show"
SWITCHES = (
    Switch("doubt is never a licence to send", _resend, _FAULT),
    Switch("a yes to another amount is doubt", _amount_not_compared, _OTHER_YES),
    Switch("the fence holds the request's validity", _fence(lambda task: task.validity_ms), _FAULT),
    Switch("the fence holds the grace", _fence(lambda task: task.grace_ms), _FAULT),
    Switch("the ledger is a witness", _margin_alone, _HANDS),
    Switch("the margin is a witness", _ledger_alone, replace(_FAULT, ledger_late=10)),
    Switch("a yes is no doubt", _yes_is_doubt, replace(_FAULT, positions_late=10)),
    Switch("the intent is on disk before the call", _intent_not_flushed, _KILL),
    Switch("what an earlier run left is settled first", _restart_forgets, _KILL),
    Switch("a quarter separates moved from not moved", _no_quarter, _HANDS),
    Switch("what is sent is the fresh delta", _planned_amount, _HANDS, _WAITS_FIRST),
    Switch("policy is asked again before a send", _policy_not_asked, _MARK, _NO_MARK),
    Switch("policy is asked of the fresh amount", _policy_of_the_plan, _MARK, _NO_MARK),
    Switch("the look is young at the turn to send", _age_not_asked, _FAULT, _NO_AGE),
    Switch("a yes is looked for", _yes_is_enough, replace(_FAULT, hollow=True)),
    Switch("a yes has its grace", _yes_without_grace, _KNOWS),
    Switch("the search goes on", _search_ends, _KNOWS),
    Switch("adds up", _without("adds up"), _LATE),
    Switch("an unsure row leaves a reading in doubt", _none_unsure(staleness), _JUST_BEFORE),
    Switch("an unsure row proves nothing", _none_unsure(verdict), _SLOW, _LIKE_OURS),
    Switch("each other call accounts for one row", _others_forgotten, _EQUAL),
    Switch("unknown call", _unknown_call, _LOST),
    Switch("cold fence", _cold_fence, _LOST),
    Switch("the lock is checked before each intent", _chain, _ROBBED),
)
"""Each rule with the scope that shows what it is for."""


@dataclass(frozen=True, slots=True)
class Covered:
    """A rule without which no scope breaks a promise: what covers it, and why it is kept."""

    rule: str
    off: Callable[[], AbstractContextManager[None]]
    scope: Scope
    by: str


COVERED = (
    Covered(
        "the next attempt looks past the fence",
        _any_look_again,
        _FAULT,
        "two looks in a row agree: both are past the fence, and no look after them is older.",
    ),
    Covered(
        "two looks in a row agree",
        _one_look,
        _FAULT,
        "the fence, within the assumptions. Two looks find out reads that are later than assumed, and empty ones.",
    ),
    Covered(
        "a row belongs to one step",
        _claims_forgotten,
        _REVERT,
        "the times of a row. Claims tell apart two calls of one symbol's two sides, signed in the same second.",
    ),
    Covered(
        "within the grace",
        _without("within the grace"),
        _REVERT,
        "adds up. Within the grace no ledger has to be asked, and changes of the margin type have no other rule.",
    ),
    Covered(
        "past our step",
        _without("past our step"),
        _LATE,
        "adds up. It lets go: ten graces after a step the ledger is asked only for a reading that looks old.",
    ),
    Covered(
        "no step of ours",
        _without("no step of ours"),
        _LATE,
        "adds up, which finds nothing to hold against a reading where no step of ours moved the margin.",
    ),
    Covered(
        "let go",
        _without("let go"),
        _LATE,
        "adds up. It lets go: a hundred graces after a step the ledger is not asked any more.",
    ),
)
"""Rules that cover for another, or that let go."""


def named(rule: str) -> Switch | Covered | None:
    """The switch of a rule."""
    return next((each for each in (*SWITCHES, *COVERED) if each.rule == rule), None)
