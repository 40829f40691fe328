"""From a journal's records to runs: one pass, in memory that grows with a run and with what is unsettled.

A journal is written under a lock, so its runs stand one after the other. A step whose outcome a later run learns is
told twice: as that run left it, and, under ``settled``, as the later one found it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import assert_never

from reconcile.errors import ChainBroken, JournalError
from reconcile.journal.chain import JournalEntry
from reconcile.journal.codec import Header, UnknownRecord
from reconcile.journal.records import (
    Checkpoint,
    Intent,
    IntentStatus,
    NoteRecord,
    Outcome,
    PlanUsed,
    Record,
    Relocation,
    Repaired,
    Resolved,
    RunFinished,
    RunStarted,
)
from reconcile.journal.run_end import RunEnd
from reconcile.model.notes import AnswerNote, BrakeNote, MoveNote, NoteBody, RefusalNote, WatchNote
from reconcile.model.reports import IN_FLIGHT, Note, Origin, Run, StepTaken
from reconcile.model.run_start import RunStart
from reconcile.money import parse, plain
from reconcile.render.common.values import clean

OPEN = frozenset({IN_FLIGHT, *(str(each) for each in IntentStatus if not each.settles)})
"""The outcomes of a step that needs another look."""
UNCLEAR = frozenset({IN_FLIGHT, str(IntentStatus.UNKNOWN), str(IntentStatus.RELEASED)})
"""The outcomes of a step of which it is not known whether it moved margin."""


def runs(entries: Iterable[JournalEntry], *, identity: str) -> Iterator[Run]:
    """The runs of one journal, oldest first.

    Of a broken journal, it yields the runs before the break, the last one as far as it is proven. Then it raises
    ChainBroken, or JournalError if the journal cannot be read on.
    """
    reader = _Reader(identity)
    broken: JournalError | None = None
    try:
        for entry in entries:
            ended = _taken(reader, entry, identity)
            if ended is not None:
                yield ended
    except JournalError as error:
        broken = error
    last = reader.end()
    if last is not None:
        yield last
    if broken is not None:
        raise broken


def _taken(reader: "_Reader", entry: JournalEntry, identity: str) -> Run | None:
    try:
        return reader.take(entry)
    except ValueError as error:
        message = f"reading {identity}: line {entry.seq}: {clean(str(error)[:300])}"
        raise ChainBroken(message, line=entry.seq) from error


class _Reader:
    """The run that is being read, and the steps of earlier ones that are still open."""

    def __init__(self, identity: str) -> None:
        self._identity = identity
        self._run: Run | None = None
        self._steps: dict[str, StepTaken] = {}
        self._settled: dict[str, StepTaken] = {}
        self._notes: list[Note] = []
        self._open: dict[str, StepTaken] = {}
        self._origin: Origin | None = None

    def take(self, entry: JournalEntry) -> Run | None:
        """Take in one record; the run before it, where this one begins another."""
        ended, record = None, entry.record
        if isinstance(record, Header | Repaired | Checkpoint):
            return None
        begins = isinstance(record, RunStarted) and self._run is not None and self._run.command != ""
        if self._run is None or self._run.run_id != entry.run or begins:
            ended = self.end()
            self._run = Run(
                identity=self._identity,
                run_id=entry.run,
                command="",
                started_at=entry.at,
                first_line=entry.seq,
            )
        self._run = replace(self._run, last_line=entry.seq)
        self._add(record, entry)
        return ended

    def end(self) -> Run | None:
        """The run that was being read, whole."""
        run, self._run = self._run, None
        if run is None:
            return None
        run = replace(
            run,
            steps=tuple(self._steps.values()),
            settled=tuple(self._settled.values()),
            notes=tuple(self._notes),
        )
        for step in (*self._steps.values(), *self._settled.values()):
            self._open.pop(step.intent_id, None)
            if step.outcome in OPEN:
                self._open[step.intent_id] = step
        self._steps, self._settled, self._notes, self._origin = {}, {}, [], None
        return run

    def _add(self, record: Record | UnknownRecord, entry: JournalEntry) -> None:
        at = entry.at
        match record:
            case RunStarted():
                self._run = replace(self._the_run, command=record.command, start=record.details, host=record.host)
            case Intent():
                if self._origin is None:
                    self._origin = replace(self._the_run, notes=tuple(self._notes)).origin
                self._steps[record.intent_id] = replace(_step(record, entry), origin=self._origin)
            case Outcome():
                self._outcome(record, at)
            case Resolved():
                self._word(record, at)
            case RunFinished():
                self._finished(record.details, at)
            case Relocation():
                self._moved(record, at)
            case NoteRecord():
                self._noted(record.details, at)
                if not isinstance(record.details, RefusalNote):
                    note = Note(at=at, what=record.what, details=entry.get("details", {}), body=record.details)
                    self._notes.append(note)
            case UnknownRecord() | PlanUsed():
                name = record.name if isinstance(record, UnknownRecord) else record.kind
                details = {key: value for key, value in entry.items() if key not in {"seq", "prev", "crc", "run"}}
                self._notes.append(Note(at=at, what=name, details=details))
            case Repaired() | Checkpoint():  # not of any run
                pass
            case _:
                assert_never(record)

    def _outcome(self, record: Outcome, at: str) -> None:
        intent_id = record.intent_id
        steps = self._steps if intent_id in self._steps else self._settled
        step = steps.get(intent_id) or self._open.get(intent_id)
        if step is None:
            return
        if record.after is not None and step.amount is not None:
            parse(record.after)
        steps[intent_id] = replace(
            step,
            outcome=str(record.known),
            answer=_answer(record.code, record.message) or step.answer,
            after=record.after or step.after,
            evidence=record.evidence or step.evidence,
            ledger_row=record.claim or step.ledger_row,
            effect_ms=record.effect_ms,
            ended_at=at,
            settled_by=self._the_run.run_id,
        )

    def _word(self, record: Resolved, at: str) -> None:
        step = self._open.get(record.intent_id)
        if step is not None:
            key = "; the API key that signed it was deleted" if record.key_deleted else ""
            self._settled[step.intent_id] = replace(
                step,
                outcome="applied" if record.applied else "not_applied",
                after=step.wanted if record.applied else step.before,
                evidence=f"{record.actor} said so: {record.reason}{key}",
                effect_ms=record.effect_ms,
                ended_at=at,
                settled_by=self._the_run.run_id,
            )

    def _finished(self, end: RunEnd, at: str) -> None:
        keys = end.error_keys or ("policy",)
        self._run = replace(
            self._the_run,
            finished_at=at,
            exit_code=end.exit_code,
            refused=keys[0] if end.exit_code == 4 else None,
            errors=end.errors,
            declared=end.declared,
            tolerance=end.tolerance,
            bands=end.bands,
            live=None if end.live_at_ms is None else end.live,
            live_at_ms=end.live_at_ms,
            moved=end.moved,
            moved_problem=end.moved_problem,
        )

    def _moved(self, record: Relocation, at: str) -> None:
        """A run of its own: who led the journal to another name, before the run that did so began."""
        start = RunStart(account=record.account, actor=record.actor)
        self._run = replace(self._the_run, command="move", start=start, host=record.host, finished_at=at, exit_code=0)
        told = {"to": record.to, "account": record.account, "actor": record.actor, "host": record.host}
        self._notes.append(Note(at=at, what=MoveNote.what, details=told, body=MoveNote(to=record.to)))

    def _noted(self, note: NoteBody, at: str) -> None:
        match note:
            case RefusalNote():
                self._refused(note, at)
            case BrakeNote():
                start = RunStart(account=note.account, reason=note.reason, actor=note.actor)
                self._whole(note.command or note.what, start, note.host, at)
            case WatchNote():
                self._whole(note.what, note.start, note.host, at)
            case AnswerNote() if (step := self._steps.get(note.intent_id or "")) is not None:
                self._steps[step.intent_id] = replace(step, answer=_answer(note.code, note.message))
            case _:
                pass

    def _whole(self, command: str, start: RunStart, host: str | None, at: str) -> None:
        """A note that is a run of its own."""
        self._run = replace(self._the_run, command=command, start=start, host=host or "", finished_at=at, exit_code=0)

    def _refused(self, note: RefusalNote, at: str) -> None:
        code = 4 if note.exit_code is None else note.exit_code
        self._run = replace(
            self._the_run,
            command=note.command or "",
            start=note.start,
            host=note.host or "",
            finished_at=at,
            exit_code=code,
            refused=(note.key or "policy") if code == 4 else None,
            errors=(note.message or "",),
        )

    @property
    def _the_run(self) -> Run:
        if self._run is None:
            raise RuntimeError("a record was read before its run")
        return self._run


def _answer(code: str | None, message: str | None) -> str:
    return " ".join(part for part in (code, message) if part)


def _step(intent: Intent, entry: JournalEntry) -> StepTaken:
    return StepTaken(
        intent_id=intent.intent_id,
        step_id=intent.step_id,
        run_id=entry.run,
        line=entry.seq,
        at=entry.at,
        address=str(intent.address),
        action=intent.action,
        asset=intent.asset,
        amount=None if intent.amount is None else plain(intent.amount),
        before=intent.before,
        wanted=intent.wanted,
        signed_at_ms=intent.signed_at_ms,
        fence_ms=intent.fence_ms,
    )
