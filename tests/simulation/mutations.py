"""Deliberate defects of the program, each of which the simulation must notice.

A defect is a context manager that replaces one function or constant of the program while it is entered. Where the
program guards against the same thing twice, the defect takes both guards away, and its name says so: otherwise nothing
would go wrong, which is the point of having two. ``hunt`` plays schedules under a defect until one is violated.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from unittest.mock import patch
from weakref import WeakKeyDictionary

from reconcile.errors import InDoubt, ReadFailed
from reconcile.evidence.possible import MarginEvidence
from reconcile.evidence.rows import CLOCK_AHEAD_MS
from reconcile.evidence.verdict import Sight, Verdict
from reconcile.exchanges import catalogue, registry
from reconcile.exchanges.base import CodeClass
from reconcile.exchanges.http import answers, rows, transport
from reconcile.journal.file.lock import FileLock
from reconcile.journal.file.writer import FileJournal
from reconcile.journal.lanes import LaneState
from reconcile.journal.records import Intent, IntentStatus, Outcome, Resolved, RunStarted
from reconcile.model.account import Address, DesiredAccount
from reconcile.planning.fresh import InSync, Send
from reconcile.protocol.context import Context
from reconcile.protocol.earlier import Earlier
from reconcile.protocol.funds import Reservation
from reconcile.protocol.life import Doing
from reconcile.protocol.lifecycle import State
from reconcile.protocol.looks import Observer
from reconcile.protocol.rules import Sound
from reconcile.protocol.signals import LedgerCame, Look, ReadLedger, Write
from reconcile.protocol.task import Task
from reconcile.sandbox.faults import Ending
from tests.simulation.oracle import verdict
from tests.simulation.schedule import Schedule

Defect = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Mutation:
    """One defect: what it is called, how it is put in, and on which exchanges it can show (empty: all).

    ``trap`` is how the name of the trap begins that was made for it; that one is played first. ``rule`` is the rule of
    docs/design.md that it turns off, empty: a defect within a rule, or one that the explorer turns off.
    """

    name: str
    apply: Defect
    exchanges: tuple[str, ...] = ()
    trap: str = ""
    rule: str = ""

    def ordered(self, traps: Mapping[str, Schedule]) -> Iterator[Schedule]:
        """The traps, its own first."""
        for name in sorted(traps, key=lambda each: not each.startswith(self.trap)):
            yield traps[name]


@dataclass(frozen=True, slots=True)
class Caught:
    """How a hunt ended: after how many schedules, by which violation; None where it was not caught."""

    schedules: int
    schedule: Schedule | None
    violation: str | None


def hunt(mutation: Mutation, schedules: Iterable[Schedule]) -> Caught:
    """Play under the defect until something is violated."""
    count = 0
    with mutation.apply():
        for schedule in schedules:
            count += 1
            found = verdict(schedule)
            if found.violations:
                return Caught(count, schedule, found.violations[0])
    return Caught(count, None, None)


@contextmanager
def _patched(*changes: tuple[Any, str, Any]) -> Iterator[None]:
    """Several attributes replaced."""
    if not changes:
        yield
        return
    target, name, value = changes[0]
    with patch.object(target, name, value), _patched(*changes[1:]):
        yield


def _modules() -> Any:
    """The modules whose names are replaced, imported late so that all of them exist."""
    from reconcile.evidence import verdict as witness
    from reconcile.protocol import decision, executor, rules, searching, sending, step
    from reconcile.protocol import freshness as basis
    from reconcile.usecases import account, preparing
    from reconcile.usecases import account_run as run

    @dataclass
    class Modules:
        basis: Any
        decision: Any
        executor: Any
        searching: Any
        rules: Any
        sending: Any
        step: Any
        witness: Any
        account: Any
        run: Any
        preparing: Any

    return Modules(basis, decision, executor, searching, rules, sending, step, witness, account, run, preparing)


# ---- sending ---------------------------------------------------------------------------------------------------------


def resend_on_timeout() -> AbstractContextManager[None]:
    """What every client library does."""
    send = transport.Transport.send

    async def twice(self: Any, *given: Any) -> Any:
        try:
            return await send(self, *given)
        except InDoubt:
            return await send(self, *given)

    return _patched((transport.Transport, "send", twice))


def tls_is_not_sent() -> AbstractContextManager[None]:
    """A broken channel taken for one that never stood."""
    from tests.simulation import simulation

    return _patched((simulation, "NEVER_LEFT", simulation.NEVER_LEFT | {Ending.TLS}))


def unknown_code_is_refused() -> AbstractContextManager[None]:
    """A code nobody documented believed to be a refusal."""
    kind = answers._kind
    write = answers.write_answer

    def believe(what: str, response: Any, form: Any, *, now_ms: Any) -> Any:
        class All(dict[str, Any]):
            def get(self, key: str, default: Any = None) -> Any:
                found = form.codes.get(key, default)
                known = next(iter(form.codes.values()))
                return found if found is not None else replace(known, code=key, proves=CodeClass.STATE)

        return write(what, response, replace(form, codes=All()), now_ms=now_ms)

    return _patched(*_answering(believe), (answers, "_kind", kind))


def _answering(write_answer: Any) -> Iterator[tuple[Any, str, Any]]:
    """The changes that make every adapter read answers to writes by this."""
    for name in ("binance.dialect", "okx.dialect", "bitget.dialect", "okx.adapter", "bitget.adapter"):
        module = __import__(f"reconcile.exchanges.{name}", fromlist=["x"])
        if hasattr(module, "write_answer"):
            yield module, "write_answer", write_answer


def intent_after_the_send() -> AbstractContextManager[None]:
    """Written down when the answer is there."""
    append = FileJournal.append
    late: dict[int, Any] = {}

    async def behind(self: Any, record: Any, *, durable: bool) -> None:
        if isinstance(record, Intent):
            late[id(self)] = record
            return
        waiting = late.pop(id(self), None)
        if waiting is not None:
            await append(self, waiting, durable=False)
        await append(self, record, durable=durable)

    return _patched((FileJournal, "append", behind))


def no_flush() -> AbstractContextManager[None]:
    """Nothing is ever made safe."""

    async def nothing(self: Any) -> None:
        self._flushed, self._flushing = self._position.line, None

    return _patched((FileJournal, "_flush_all", nothing))


def timeout_is_not_sent() -> AbstractContextManager[None]:
    """A request that nobody answers taken for one that never left."""
    from tests.simulation import simulation

    return _patched((simulation, "NEVER_LEFT", simulation.NEVER_LEFT | {Ending.TIMEOUT}))


def judged_by_code_alone() -> AbstractContextManager[None]:
    """HTTP 408 and 5xx believed to refuse where the body has the code of a refusal."""
    write = answers.write_answer

    def by_code(what: str, response: Any, form: Any, *, now_ms: Any) -> Any:
        lies = response.status == 408 or response.status >= 500
        return write(what, replace(response, status=400) if lies else response, form, now_ms=now_ms)

    return _patched(*_answering(by_code))


def amount_not_compared() -> AbstractContextManager[None]:
    """A yes taken for ours whatever amount it repeats."""
    return _patched((_modules().decision, "another_amount", lambda *_: None))


def rounded_up() -> AbstractContextManager[None]:
    """An amount with more digits than the exchange moves planned and sent as the next larger one."""
    from reconcile.money import cut
    from reconcile.planning import diff, fresh

    def up(amount: Decimal, step: Decimal) -> Decimal:
        least = cut(amount, step)
        return least if least == amount else least + step.copy_sign(amount)

    return _patched((fresh, "cut", up), (diff, "cut", up))


def accepted_for_a_minute() -> AbstractContextManager[None]:
    """Writes signed with the longest ``recvWindow`` there is."""
    from reconcile.exchanges.binance.dialect import BinanceDialect

    signed = BinanceDialect.signed

    def longer(self: Any, method: str, *given: Any, **named: Any) -> Any:
        return signed(self, method, *given, **{**named, "valid_ms": 60_000} if method != "GET" else named)

    return _patched((BinanceDialect, "signed", longer))


def validity_of_another_exchange() -> AbstractContextManager[None]:
    """A validity of 3 s assumed where the exchange accepts requests for 30 s."""
    shorter = {name: replace(traits, validity_ms=3_000) for name, traits in catalogue.TRAITS.items()}
    return _patched((registry, "TRAITS", shorter), (catalogue, "TRAITS", shorter))


def acknowledged_early() -> AbstractContextManager[None]:
    """A record said to be on disk as soon as it is written."""
    append = FileJournal.append

    async def early(self: Any, record: Any, *, durable: bool) -> None:
        await append(self, record, durable=False)

    return _patched((FileJournal, "append", early))


# ---- fences ----------------------------------------------------------------------------------------------------------


def no_fence() -> AbstractContextManager[None]:
    """Looking begins at once."""
    decision = _modules().decision
    made = decision.intent_of

    def unfenced(*given: Any, **named: Any) -> Intent:
        intent: Intent = made(*given, **named)
        return replace(intent, fence_ms=intent.signed_at_ms)

    return _patched((decision, "intent_of", unfenced))


def fence_without_validity() -> AbstractContextManager[None]:
    """Only the grace is waited for, as if a request could not be late."""
    decision = _modules().decision
    made = decision.intent_of

    def short(task: Task, *given: Any, **named: Any) -> Intent:
        intent: Intent = made(task, *given, **named)
        return replace(intent, fence_ms=intent.fence_ms - task.validity_ms)

    return _patched((decision, "intent_of", short))


def fence_without_grace() -> AbstractContextManager[None]:
    """Looking begins when the request can no longer be accepted, as if reads were never late."""
    decision = _modules().decision
    made = decision.intent_of

    def short(task: Task, *given: Any, **named: Any) -> Intent:
        intent: Intent = made(task, *given, **named)
        return replace(intent, fence_ms=intent.fence_ms - task.grace_ms)

    return _patched((decision, "intent_of", short))


def fence_on_the_wall_clock() -> AbstractContextManager[None]:
    """The end of the fence computed from the machine's own time of day."""
    from reconcile.protocol.step import StepRun

    take = StepRun._turn

    async def local(self: Any, command: Any) -> Any:
        if isinstance(command, Write) and isinstance(command.record, Intent):
            context, intent = self._context, command.record
            fence_ms = context.clock.wall_ms() + context.validity_ms + context.grace_ms
            intent = replace(intent, fence_ms=fence_ms)
            self._life = replace(self._life, intent=intent)
            command = replace(command, record=intent)
        return await take(self, command)

    return _patched((StepRun, "_turn", local))


def fence_on_a_stored_offset() -> AbstractContextManager[None]:
    """The exchange's time as the time of day plus an offset that was right once."""
    from reconcile.exchanges.http.exchange_time import ExchangeTime

    take = ExchangeTime.take
    offsets: dict[int, int] = {}

    def remember(self: Any, sample: Any) -> None:
        offsets[id(self)] = sample.served_ms - self._clock.wall_ms()
        take(self, sample)

    def now(self: Any) -> int:
        return int(self._clock.wall_ms()) + offsets[id(self)]

    async def wait(self: Any, moment_ms: int, *, why: str) -> None:
        await self.know_exchange_time()
        while self.writer.time.earliest() <= moment_ms:
            await self.pause(200)

    return _patched(
        (ExchangeTime, "take", remember),
        (ExchangeTime, "earliest", now),
        (ExchangeTime, "latest", now),
        (Context, "pass_exchange_time", wait),
    )


def no_cold_fence() -> AbstractContextManager[None]:
    """A new journal taken for a new account."""
    from reconcile.usecases import account_run as run

    return _patched((run, "cold_until", lambda *_: None))


def cold_fence_forgotten() -> AbstractContextManager[None]:
    """The end of the cold fence not remembered by the next run on the same host."""
    from reconcile.journal import codec

    class Forgetful:
        """Reads a run's beginning without its fence."""

        def read(self, value: Any, *, what: str) -> RunStarted:
            return replace(codec.RUN_STARTED.read(value, what=what), cold_until_ms=None)

    return _patched((codec, "_KINDS", {**codec._KINDS, RunStarted.kind: Forgetful()}))


def resolve_before_the_fence() -> AbstractContextManager[None]:
    """A person's word taken while the request may still arrive."""
    from reconcile.usecases import status

    return _patched((status, "grace_ms", lambda *_: -1_000_000))


def resolve_leaves_no_move() -> AbstractContextManager[None]:
    """A person's word of "applied" keeps neither the margin before the step nor the one after it."""
    resolved = LaneState.resolved

    def forgetful(self: Any, record: Resolved) -> Intent | None:
        moves = dict(self.moves)
        intent = resolved(self, record)
        self.moves = moves
        return intent

    return _patched((LaneState, "resolved", forgetful))


# ---- looking ---------------------------------------------------------------------------------------------------------


def _no_second_guard() -> tuple[Any, str, Any]:
    """No look is ever held against what our last step did."""
    return (_modules().rules, "stale_basis", lambda *_, **__: False)


def grace_from_the_intent() -> AbstractContextManager[None]:
    """The grace counted from when the request was signed."""
    moved = LaneState._moved

    def early(self: Any, intent: Intent, _: int, **rest: Any) -> None:
        moved(self, intent, intent.signed_at_ms, **rest)

    return _patched((LaneState, "_moved", early), _no_second_guard())


def no_grace() -> AbstractContextManager[None]:
    """A look taken right after an effect is believed."""

    return _patched((_modules().rules, "judge", lambda _: Sound()), (_modules().basis, "judge", lambda _: Sound()))


def look_dated_by_its_answer() -> AbstractContextManager[None]:
    """A look counts as new when its answer is."""
    from reconcile.exchanges.binance.adapter import Binance
    from reconcile.exchanges.bitget.adapter import Bitget
    from reconcile.exchanges.okx.adapter import Okx

    def dated(observe: Any) -> Any:
        async def late(self: Any, declared: Any, *, reuse: Any = None) -> Any:
            look = await observe(self, declared, reuse=reuse)
            return replace(look, sent_at_ms=self.time.latest())

        return late

    return _patched(*((kind, "observe", dated(kind.observe)) for kind in (Binance, Okx, Bitget)), _no_second_guard())


_OFTEN = 100
"""How often a look that is too early is given to a step that waits for a later one."""


def any_look_will_do() -> AbstractContextManager[None]:
    """The delta computed from the look that the plan was made of; not for ever, where a step waits for a later one."""
    look = Observer.look
    served: WeakKeyDictionary[Observer, Counter[int]] = WeakKeyDictionary()

    async def old(self: Any, *, after_ms: int, max_age_ms: int | None) -> Any:
        last, counts = self.last, served.setdefault(self, Counter())
        if last is None or max_age_ms is None or counts[after_ms] >= _OFTEN:
            return await look(self, after_ms=after_ms, max_age_ms=None)
        counts[after_ms] += 1
        return last

    return _patched(
        (Observer, "look", old),
        (_modules().sending, "MAX_READ_AGE_MS", 10**9),
        (_modules().rules, "judge", lambda _: Sound()),
        (_modules().basis, "judge", lambda _: Sound()),
    )


def planned_amount() -> AbstractContextManager[None]:
    """The plan's amount sent, whatever live is by now."""

    def as_planned(target: Any, step: Any, position: Any, step_size: Any, **_: Any) -> Any:
        return InSync() if position is None or not position.is_open else Send(amount=step.amount)

    return _patched((_modules().decision, "fresh_move", as_planned), (_modules().preparing, "fresh_move", as_planned))


def other_direction() -> AbstractContextManager[None]:
    """The distance sent in the planned direction, whichever side live is on by now."""

    def unsigned(target: Any, step: Any, position: Any, step_size: Any, **_: Any) -> Any:
        if position is None or not position.is_open:
            return InSync()
        gap: Decimal = abs(target.isolated_margin - position.isolated_margin)
        return Send(amount=min(gap, step.amount)) if gap > step.tolerance else InSync()

    return _patched((_modules().decision, "fresh_move", unsigned), (_modules().preparing, "fresh_move", unsigned))


# ---- judging ---------------------------------------------------------------------------------------------------------


class _Eager(Sight):
    """A sight that is like whatever was seen before it, and like nothing seen at all."""

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0


def one_look() -> AbstractContextManager[None]:
    """The first look after the fence decides."""
    searching = _modules().searching
    seen_of = searching.sight

    def eager(*given: Any, **named: Any) -> Sight:
        seen = seen_of(*given, **named)
        return _Eager(rows=seen.rows, margin=seen.margin, complete=seen.complete, live=seen.live)

    return _patched((searching, "sight", eager))


def no_pause_between_looks() -> AbstractContextManager[None]:
    """The second look asked for as soon as the first is there."""
    return _patched((_modules().searching, "BETWEEN_LOOKS_MS", 0))


def every_yes_is_seen() -> AbstractContextManager[None]:
    """A yes reported as seen without a look."""
    from reconcile.protocol import confirming

    return _patched((confirming, "visible", lambda intent, *_, **__: intent.wanted))


def yes_forgotten() -> AbstractContextManager[None]:
    """A run that could not tell keeps nothing of the yes that was said."""
    take = LaneState.outcome

    def forget(self: Any, outcome: Outcome) -> Intent | None:
        intent = take(self, outcome)
        if intent is not None and outcome.known is IntentStatus.UNKNOWN:
            self.unsettled[intent.lane] = replace(self.unsettled[intent.lane], said_yes=False)
        return intent

    return _patched((LaneState, "outcome", forget))


def reservation_ends_at_the_yes() -> AbstractContextManager[None]:
    """An addition leaves the reservation at its yes, though looks do not show it yet."""
    return _patched((Reservation, "done", lambda self, key, *, effect_ms: self.release(key)))  # noqa: ARG005


def late_balance_believed() -> AbstractContextManager[None]:
    """A balance taken to hold every addition of more than a grace ago."""
    from reconcile.protocol import funds

    return _patched((funds, "LATE_BALANCE_GRACES", 1))


def equal_call_forgotten() -> AbstractContextManager[None]:
    """A row taken for a step's although another call of the same amount explains it."""
    seen_of = _modules().witness.sight
    return _patched((_modules().searching, "sight", lambda *given, **named: seen_of(*given, **{**named, "known": ()})))


def _judged(change: Callable[[Sight], Sight]) -> AbstractContextManager[None]:
    """The verdict from what is wrongly seen."""
    judge = _modules().witness.judge
    return _patched((_modules().searching, "judge", lambda seen, **named: judge(change(seen), **named)))


def maybe_rows_dropped() -> AbstractContextManager[None]:
    """Rows that may be ours taken for another party's."""
    return _judged(lambda seen: replace(seen, maybe=()))


def row_slack_forgotten() -> AbstractContextManager[None]:
    """A row that is dated before the signature taken for another party's."""
    witness = _modules().witness
    matched = witness.match_rows

    def strict(*given: Any, slack_ms: int, **named: Any) -> Any:
        return matched(*given, slack_ms=min(slack_ms, CLOCK_AHEAD_MS), **named)

    return _patched((witness, "match_rows", strict))


def early_equal_call_forgotten() -> AbstractContextManager[None]:
    """An early row taken for one that may be ours although another call of the same amount explains it."""
    from reconcile.evidence import rows as evidence_rows

    known = evidence_rows.without_known
    return _patched(
        (
            evidence_rows,
            "without_known",
            lambda found, calls, **named: known(found, () if "slack_ms" in named else calls, **named),
        )
    )


def short_ledger_is_complete() -> AbstractContextManager[None]:
    """A ledger that does not reach back taken for one that does."""
    return _judged(lambda seen: replace(seen, complete=True))


def released_is_not_applied() -> AbstractContextManager[None]:
    """A step whose lane is freed taken for one that did not happen."""
    judge = _modules().witness.judge

    def decided(*given: Any, **named: Any) -> Verdict:
        told = judge(*given, **named)
        return Verdict.NOT_APPLIED if told is Verdict.RELEASED else told

    return _patched((_modules().searching, "judge", decided))


def empty_read_believed() -> AbstractContextManager[None]:
    """A position that is not listed taken for a margin that did not move."""
    witness = _modules().witness
    seen_of = witness.sight

    def trusting(*given: Any, **named: Any) -> Any:
        seen = seen_of(*given, **named)
        return replace(seen, margin=MarginEvidence.NOT_MOVED) if seen.live is None else seen

    return _patched((_modules().searching, "sight", trusting))


def failed_read_is_absence() -> AbstractContextManager[None]:
    """A ledger that could not be read taken for an empty one."""
    from reconcile.model.ledger import LedgerRead
    from reconcile.protocol.step import StepRun

    take = StepRun._turn

    async def blind(self: Any, command: Any) -> Any:
        try:
            return await take(self, command)
        except ReadFailed:
            if not isinstance(command, ReadLedger) or self._life.doing is not Doing.SIGHT_LEDGER:
                raise
        look = replace(self._life.look, position=_still(self._life.intent))
        self._life = replace(self._life, look=look, intent=replace(self._life.intent, identity=None))
        return LedgerCame(at=self._now(), ledger=LedgerRead(rows=(), reaches_back=True))

    return _patched((StepRun, "_turn", blind))


def _still(intent: Intent) -> Any:
    from reconcile.model.account import MarginType, Position

    return Position(
        address=intent.address,
        asset="USDT",
        margin_type=MarginType.ISOLATED,
        isolated_margin=Decimal(intent.before),
        size=Decimal(1),
    )


def row_claimed_twice() -> AbstractContextManager[None]:
    """Rows matched by amount and direction only: neither claimed ones nor older ones are told apart."""
    witness = _modules().witness
    matched = witness.match_rows

    def any_row(found: Any, intent: Intent, *, step_size: Any, **_: Any) -> Any:
        return matched(found, replace(intent, signed_at_ms=0, cursor=None), claims=(), step_size=step_size)

    searching = _modules().searching
    return _patched((witness, "match_rows", any_row), (searching, "_unsure_ms", lambda *_: 0))


def first_page_only() -> AbstractContextManager[None]:
    """The ledger's first page taken for all of it."""
    from reconcile.exchanges.binance import ledger

    async def first(what: str, page: Any, *, start_ms: int, end_ms: int, limit: int) -> Any:
        return rows.rows(what, await page(start_ms, end_ms))

    return _patched((ledger, "read_all", first))


def accepted_ignored() -> AbstractContextManager[None]:
    """A yes taken for the end of it: the next run neither looks for it nor dates its looks by it, nor by its row."""
    take = LaneState.outcome

    def forget(self: Any, outcome: Outcome) -> Intent | None:
        if outcome.known is IntentStatus.ACCEPTED:
            outcome = replace(outcome, known=IntentStatus.NOT_APPLIED, effect_ms=None)
        return take(self, outcome)

    return _patched((LaneState, "outcome", forget), (Earlier, "until", lambda *_, **__: None))


def restart_ignores_intents() -> AbstractContextManager[None]:
    """What an earlier run left open is not looked for."""
    from reconcile.protocol.executor import Executor

    async def nothing(self: Any) -> None:
        for lane, item in list(self._context.journal.state.unsettled.items()):
            del lane
            self._context.journal.state._forget(item.intent)

    return _patched((Executor, "settle_earlier", nothing))


# ---- lanes and locks -------------------------------------------------------------------------------------------------


def baseline_per_address() -> AbstractContextManager[None]:
    """Steps of one symbol kept apart in everything, though its ledger names no side."""

    def alone(_: Any, address: Address) -> str:
        return str(address)

    modules = _modules()
    from reconcile.protocol import context

    return _patched((modules.basis, "lane_of", alone), (modules.account, "lane_of", alone), (context, "lane_of", alone))


def two_in_flight() -> AbstractContextManager[None]:
    """The executor runs the sides of one symbol at once."""
    return _patched((Context, "lane", lambda _, address: str(address)))


def lock_by_name() -> AbstractContextManager[None]:
    """The lock belongs to the name in the file, not to the account."""
    from tests.simulation import simulation

    return _patched((simulation, "identity", lambda **named: f"by-name-{named['account_name']}"))


def lock_not_checked() -> AbstractContextManager[None]:
    """Nobody looks whether what is held is still the lock, or whether somebody else writes the journal."""
    return _patched((FileLock, "check", lambda _: None), (FileJournal, "_check_end", lambda _: None))


def no_lock() -> AbstractContextManager[None]:
    """Two runners at once."""
    from tests.simulation.disk import SimulatedProcess

    return _patched((SimulatedProcess, "lock", lambda *_: True), (FileJournal, "_check_end", lambda _: None))


def lock_released_early() -> AbstractContextManager[None]:
    """Given back when the last request was sent, before it is seen."""
    from reconcile.protocol.step import StepRun

    take = StepRun._turn

    async def freely(self: Any, command: Any) -> Any:
        if self._life.state is State.ACCEPTED and isinstance(command, Look):
            self._context.journal._lock.release()
        return await take(self, command)

    return _patched((StepRun, "_turn", freely))


# ---- conduct ---------------------------------------------------------------------------------------------------------


def halt_not_asked_at_the_wire() -> AbstractContextManager[None]:
    """A stop or a freeze asked before the look, and not at the turn to send."""
    turn = _modules().sending.TURNS[Doing.WIRE]
    return _turned(Doing.WIRE, lambda life, event: turn(life, replace(event, halted=None)))


def _turned(doing: Doing, turn: Any) -> AbstractContextManager[None]:
    """One turn of the machine replaced."""
    from reconcile.protocol import machine

    return _patched((machine, "TURNS", {**machine.TURNS, doing: turn}))


def attempts_not_counted() -> AbstractContextManager[None]:
    """A call that never left tried again for ever."""
    sending = _modules().sending
    return _turned(Doing.NOT_SENT, lambda life, _: sending.enter(life.turned(sending.Event.NOT_SENT)))


def old_looks_not_counted() -> AbstractContextManager[None]:
    """A look that grew old before its turn taken anew for ever."""
    sending = _modules().sending
    return _turned(
        Doing.HELD_BACK,
        lambda life, _: sending._look(life.turned(sending.Event.NOT_SENT), after_ms=life.not_before_ms, looks=0),
    )


def floor_not_kept() -> AbstractContextManager[None]:
    """Additions that use up what ``min_available`` keeps."""
    free = Reservation.free

    def all_of_it(self: Any, asset: str, available: Decimal, *, sent_at_ms: int) -> Decimal:
        return free(self, asset, available, sent_at_ms=sent_at_ms) + (self._minimum(asset) or 0)

    return _patched((Reservation, "free", all_of_it))


def balance_never_freed() -> AbstractContextManager[None]:
    """An addition that did not happen goes on to hold its balance."""
    return _patched((Reservation, "release", lambda *_: None))


def empty_list_believed() -> AbstractContextManager[None]:
    """A first look without any position believed, although the last run saw some."""

    async def at_once(desired: DesiredAccount, reader: Any, *_: Any, reuse: Any, **__: Any) -> Any:
        return await reader.observe(desired.types, reuse=reuse, measured=desired.measured)

    return _patched((_modules().basis, "_present", at_once))


def declared_is_believed() -> AbstractContextManager[None]:
    """A reading that equals the declared believed, though our last step left another margin."""
    return _patched((_modules().basis, "is_as_left", lambda *_: True))


def search_ends_at_once() -> AbstractContextManager[None]:
    """No time after the fence for witnesses that are late or cannot be read."""
    searching = _modules().searching
    return _patched((searching, "LEAST_LOOKS", 0), (searching, "SETTLE_GRACES", 0))


def older_margins_forgotten() -> AbstractContextManager[None]:
    """A margin that an earlier step of ours left taken for what this one did."""
    seen_of = _modules().witness.sight
    return _patched((_modules().searching, "sight", lambda *given, **named: seen_of(*given, **{**named, "older": ()})))


def identity_forgotten() -> AbstractContextManager[None]:
    """A position that was closed and opened again taken for the one that a call was sent to."""
    seen_of = _modules().witness.sight

    def any_position(intent: Intent, *given: Any, **named: Any) -> Sight:
        seen: Sight = seen_of(replace(intent, identity=None), *given, **named)
        return seen

    return _patched((_modules().searching, "sight", any_position))


def never_long_after() -> AbstractContextManager[None]:
    """What is not known ten graces after the fence stays unknown."""
    judge = _modules().witness.judge
    return _patched(
        (_modules().searching, "judge", lambda seen, **named: judge(seen, **{**named, "long_after": False}))
    )


def doubted_move_stays() -> AbstractContextManager[None]:
    """A step that is in doubt after its yes goes on to be what readings are held against."""
    return _patched((LaneState, "_take_back", lambda *_: None))


def refused_call_stays_known() -> AbstractContextManager[None]:
    """A call that did nothing goes on to account for a ledger row."""
    return _patched((LaneState, "_uncall", lambda *_: None))


# ---- concluding ------------------------------------------------------------------------------------------------------


def ledger_not_asked_first() -> AbstractContextManager[None]:
    """No call that the journal does not know is looked for."""
    return _patched((Earlier, "until", lambda *_, **__: None))


def in_sync_not_doubted() -> AbstractContextManager[None]:
    """A reading that equals the declared is believed, whatever our last step left."""
    basis = _modules().basis
    doubts = basis.doubts

    async def of_changes(desired: DesiredAccount, reader: Any, state: Any, look: Any, **named: Any) -> Any:
        changed = {target.address for target in desired.targets if basis.differs(target, look)}
        found = await doubts(desired, reader, state, look, **named)
        return {address: after for address, after in found.items() if address in changed}

    return _patched((basis, "doubts", of_changes))


def drift_from_any_look() -> AbstractContextManager[None]:
    """Drift concluded from one look, however late it is."""
    from reconcile.usecases import drift

    async def looked(_: Any, desired: DesiredAccount, reader: Any, *__: Any) -> Any:
        return desired, await reader.observe(desired.types), {}

    return _patched((drift, "expanded_look", looked))


def cold_and_in_sync_at_once() -> AbstractContextManager[None]:
    """A journal that has not seen everything is waited for only in order to send."""
    from reconcile.usecases import preparing

    fence = preparing._fence_ms

    def only_to_send(context: Context, steps: Any) -> int:
        return fence(context, steps) if steps else 0

    return _patched((preparing, "_fence_ms", only_to_send))


def put_back_not_noticed() -> AbstractContextManager[None]:
    """An older copy of a journal taken for all there is."""
    return _patched((FileJournal, "was_changed", property(lambda _: False)))


def put_back_and_resolved() -> AbstractContextManager[None]:
    """A resolve leaves its journal as good as any."""
    from reconcile.usecases import status

    return _patched((status, "cold_until", lambda *_: None))


SYMBOL_LANES = ("okx", "bitget")

MUTATIONS: tuple[Mutation, ...] = (
    Mutation("resend on timeout", resend_on_timeout),
    Mutation("no fence", no_fence),
    Mutation("fence without the request's validity", fence_without_validity),
    Mutation("fence on the machine's time of day", fence_on_the_wall_clock),
    Mutation("fence on a stored offset", fence_on_a_stored_offset, trap="a clock that jumps"),
    Mutation("no cold fence", no_cold_fence),
    Mutation("cold fence forgotten by the next run", cold_fence_forgotten),
    Mutation("grace counted from the intent (and no second guard)", grace_from_the_intent),
    Mutation("no grace, no second guard", no_grace),
    Mutation("observation dated by its answer (and no second guard)", look_dated_by_its_answer),
    Mutation("ledger row claimed twice (rows not told apart by time either)", row_claimed_twice, ("binance",)),
    Mutation("baseline per address where the lane is the symbol", baseline_per_address, SYMBOL_LANES),
    Mutation("two in flight where the ledger names no side", two_in_flight, SYMBOL_LANES),
    Mutation("resolve before the fence", resolve_before_the_fence),
    Mutation("resolve leaves no margin to hold readings against", resolve_leaves_no_move),
    Mutation("lock by name", lock_by_name),
    Mutation("lock file replaced under its holder (journal's end not checked either)", lock_not_checked),
    Mutation("no lock (journal's end not checked either)", no_lock),
    Mutation("lock released before verification", lock_released_early),
    Mutation("first page of the ledger only", first_page_only, ("binance",)),
    Mutation("a TLS error taken as not sent", tls_is_not_sent),
    Mutation("planned amount instead of the fresh delta", planned_amount),
    Mutation("delta from the plan's look", any_look_will_do),
    Mutation("sent in the other direction", other_direction),
    Mutation("intent after the send", intent_after_the_send),
    Mutation("no flush", no_flush, trap="power lost"),
    Mutation("one look instead of two", one_look),
    Mutation("trusting an empty read", empty_read_believed),
    Mutation("a failed read taken as absence", failed_read_is_absence),
    Mutation("unknown code taken as refused", unknown_code_is_refused),
    Mutation("accepted ignored by the next run (and no second guard)", accepted_ignored),
    Mutation("open intents ignored by the next run", restart_ignores_intents),
    Mutation("ledger not asked first", ledger_not_asked_first, trap="another home, and"),
    Mutation("in-sync reading never doubted", in_sync_not_doubted, trap="reverted, and plan"),
    Mutation("drift from an unguarded look", drift_from_any_look, trap="reverted, and drift"),
    Mutation("in sync at once with a new journal", cold_and_in_sync_at_once),
    Mutation("older copy of a journal not noticed", put_back_not_noticed),
    Mutation(
        "older copy of a journal forgotten by a resolve", put_back_and_resolved, SYMBOL_LANES, trap="a resolve of a"
    ),
    Mutation("a record acknowledged before it is on disk", acknowledged_early, trap="power lost while"),
    Mutation("a timeout taken as not sent", timeout_is_not_sent, trap="no answer in time"),
    Mutation("408 and 5xx judged by the code in the body", judged_by_code_alone, trap="a refusal's code"),
    Mutation("a yes to another amount believed", amount_not_compared, ("okx",), trap="a yes to another"),
    Mutation("an amount rounded up (in the plan and before the send)", rounded_up, trap="more digits"),
    Mutation("recvWindow of a minute", accepted_for_a_minute, ("binance",), trap="later than our"),
    Mutation("validity of 3 s where it is 30 s", validity_of_another_exchange, SYMBOL_LANES),
    Mutation("fence without the grace", fence_without_grace),
    Mutation("no pause between the two looks", no_pause_between_looks, trap="reads that are wrong"),
    Mutation("every yes reported as seen", every_yes_is_seen, trap="a yes that is never"),
    Mutation("a yes forgotten once unknown", yes_forgotten, trap="a yes taken back unseen, then 0"),
    Mutation("an addition leaves the reservation at its yes", reservation_ends_at_the_yes, trap="an addition that"),
    Mutation("a late balance believed", late_balance_believed, trap="an addition on a balance"),
    Mutation("another call of the same amount forgotten", equal_call_forgotten, trap="the row of an equal call"),
    Mutation("rows that may be ours dropped", maybe_rows_dropped, trap="a call booked"),
    Mutation("a row before the signature never ours", row_slack_forgotten, trap="a row dated"),
    Mutation("an early row of an equal call taken", early_equal_call_forgotten, ("bitget",), trap="an equal step"),
    Mutation("a short ledger taken for complete", short_ledger_is_complete, trap="a ledger that does"),
    Mutation("a released step taken for not applied", released_is_not_applied, trap="a ledger that does not"),
    Mutation(
        "min_available not kept", floor_not_kept, trap="an addition on a balance", rule="additions leave min_available"
    ),
    Mutation(
        "balance of an addition that did not happen never freed",
        balance_never_freed,
        trap="an addition that is",
        rule="what did not happen is free again",
    ),
    Mutation(
        "a stop not asked at the turn to send",
        halt_not_asked_at_the_wire,
        trap="asked to stop",
        rule="a stop is asked at the turn to send",
    ),
    Mutation(
        "calls that never left not counted as attempts",
        attempts_not_counted,
        trap="no connection for",
        rule="a step has four attempts",
    ),
    Mutation("looks that grew old not counted as attempts", old_looks_not_counted, trap="a disk that is slower"),
    Mutation(
        "an empty list of positions believed",
        empty_list_believed,
        trap="no position at the first",
        rule="an empty list of positions is looked at again",
    ),
    Mutation(
        "as declared, and not as our step left it",
        declared_is_believed,
        trap="reverted, and plan",
        rule="as declared is not enough",
    ),
    Mutation("the search ends with its first looks", search_ends_at_once, trap="killed before a yes"),
    Mutation("margins around earlier steps forgotten", older_margins_forgotten, ("binance",), trap="a reverted step"),
    Mutation("another position taken for ours", identity_forgotten, SYMBOL_LANES, trap="another position that"),
    Mutation("unknown for ever", never_long_after, trap="killed before a call"),
    Mutation(
        "a step in doubt after its yes stays the baseline",
        doubted_move_stays,
        trap="a yes that is never done, and",
        rule="a step in doubt is no baseline",
    ),
    Mutation(
        "a refused call accounts for a row",
        refused_call_stays_known,
        ("binance", "okx"),
        trap="a journal that is cut",
        rule="a call that did nothing has no row",
    ),
)
"""Every defect there is; one that no schedule notices means that the simulation is too kind."""
