"""From a journal's records to runs: one pass, in memory that grows with a run and with what is unsettled.

A journal is written under a lock, so its runs stand one after the other. A step whose outcome a later run learns is
told twice: as that run left it, and, under ``settled``, as the later one found it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from reconcile.errors import ChainBroken, JournalError
from reconcile.journal import run_end
from reconcile.model.reports import IN_FLIGHT, Note, Origin, Run, StepTaken
from reconcile.money import parse
from reconcile.render.values import clean

MOVED = "moved"
"""What a note is called of a journal that was led to another name."""
BRAKE = "brake"
"""What a note is called that changed what is frozen."""
_NO_FACTS = {"key", "message", "command", "exit_code"}
_OPEN = {IN_FLIGHT, "accepted", "unknown"}


def runs(records: Iterable[Mapping[str, Any]], *, identity: str) -> Iterator[Run]:
    """The runs of one journal, oldest first; of a broken one those before the break, the last as far as it is proven,
    and then ChainBroken, or JournalError where it could not be read on."""
    reader = _Reader(identity)
    broken: JournalError | None = None
    try:
        for record in records:
            ended = _taken(reader, record, identity)
            if ended is not None:
                yield ended
    except JournalError as error:
        broken = error
    last = reader.end()
    if last is not None:
        yield last
    if broken is not None:
        raise broken


def _taken(reader: "_Reader", record: Mapping[str, Any], identity: str) -> Run | None:
    try:
        return reader.take(record)
    except ValueError as error:
        line = record["seq"]
        raise ChainBroken(f"reading {identity}: line {line}: {clean(str(error)[:300])}", line=line) from error


class _Reader:
    """The run that is being read, and the steps of earlier ones that are still open."""

    def __init__(self, identity: str) -> None:
        self._identity = identity
        self._run: Run | None = None
        self._steps: dict[str, StepTaken] = {}
        self._settled: dict[str, StepTaken] = {}
        self._notes: list[Note] = []
        self._resolved: list[Mapping[str, Any]] = []
        self._open: dict[str, StepTaken] = {}
        self._origin: Origin | None = None

    def take(self, record: Mapping[str, Any]) -> Run | None:
        """Take in one record; the run before it, where this one begins another."""
        ended = None
        kind, run_id = record["kind"], str(record["run"])
        if kind in {"journal", "repaired", "checkpoint"}:
            return None
        begins = kind == "run_started" and self._run is not None and self._run.command != ""
        if self._run is None or self._run.run_id != run_id or begins:
            ended = self.end()
            self._run = Run(
                identity=self._identity,
                run_id=run_id,
                command="",
                started_at=record["at"],
                first_line=record["seq"],
            )
        self._run = replace(self._run, last_line=record["seq"])
        self._add(kind, record)
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
            resolved=tuple(self._resolved),
        )
        for step in (*self._steps.values(), *self._settled.values()):
            self._open.pop(step.intent_id, None)
            if step.outcome in _OPEN:
                self._open[step.intent_id] = step
        self._steps, self._settled, self._notes, self._resolved, self._origin = {}, {}, [], [], None
        return run

    def _add(self, kind: str, record: Mapping[str, Any]) -> None:
        match kind:
            case "run_started":
                self._started(record)
            case "intent":
                if self._origin is None:
                    self._origin = replace(self._the_run, notes=tuple(self._notes)).origin
                self._steps[record["intent_id"]] = replace(_step(record), origin=self._origin)
            case "outcome":
                self._outcome(record)
            case "resolved":
                self._word(record)
            case "run_finished":
                self._finished(record)
            case "moved":
                self._moved(record)
            case "noted":
                self._noted(record)
            case _:
                details = {key: value for key, value in record.items() if key not in {"seq", "prev", "crc", "run"}}
                self._notes.append(Note(at=record["at"], what=kind, details=details))

    def _started(self, record: Mapping[str, Any]) -> None:
        facts = {**record.get("details", {}), "host": record["host"], "cold_until_ms": record.get("cold_until_ms")}
        self._run = replace(self._the_run, command=record["command"], facts=facts)

    def _outcome(self, record: Mapping[str, Any]) -> None:
        intent_id = record["intent_id"]
        steps = self._steps if intent_id in self._steps else self._settled
        step = steps.get(intent_id) or self._open.get(intent_id)
        if step is None:
            return
        if record.get("after") is not None and step.amount is not None:
            parse(record["after"])
        answer = " ".join(part for part in (record.get("code") or "", record.get("message") or "") if part)
        steps[intent_id] = replace(
            step,
            outcome=record["known"],
            answer=answer or step.answer,
            after=record.get("after") or step.after,
            evidence=record.get("evidence") or step.evidence,
            ledger_row=record.get("claim") or step.ledger_row,
            effect_ms=record["effect_ms"],
            ended_at=record["at"],
            settled_by=self._the_run.run_id,
        )

    def _word(self, record: Mapping[str, Any]) -> None:
        step = self._open.get(record["intent_id"])
        self._resolved.append({key: record[key] for key in ("intent_id", "applied", "reason", "actor", "effect_ms")})
        if step is not None:
            self._settled[step.intent_id] = replace(
                step,
                outcome="applied" if record["applied"] else "not_applied",
                after=step.wanted if record["applied"] else step.before,
                evidence=f"{record['actor']} said so: {record['reason']}",
                effect_ms=record["effect_ms"],
                ended_at=record["at"],
                settled_by=self._the_run.run_id,
            )

    def _finished(self, record: Mapping[str, Any]) -> None:
        end = run_end.read(record.get("details", {}))
        keys = end.error_keys or ("policy",)
        self._run = replace(
            self._the_run,
            finished_at=record["at"],
            exit_code=end.exit_code,
            refused=keys[0] if end.exit_code == 4 else None,
            errors=end.errors,
            declared=end.declared,
            tolerance=end.tolerance,
            live=None if end.live_at_ms is None else end.live,
            live_at_ms=end.live_at_ms,
            moved=end.moved,
            moved_problem=end.moved_problem,
        )

    def _moved(self, record: Mapping[str, Any]) -> None:
        """A run of its own: who led the journal to another name, before the run that did so began."""
        facts = {key: record[key] for key in ("to", "account", "actor", "host")}
        self._run = replace(self._the_run, command="move", facts=facts, finished_at=record["at"], exit_code=0)
        self._notes.append(Note(at=record["at"], what=MOVED, details=facts))

    def _noted(self, record: Mapping[str, Any]) -> None:
        what, details = record["what"], record.get("details", {})
        if what == "refused":
            code = details.get("exit_code", 4)
            told = {
                "exit_code": code,
                "refused": details.get("key", "policy") if code == 4 else None,
                "errors": (details.get("message", ""),),
            }
            self._run = replace(
                self._the_run,
                command=details.get("command") or "",
                facts={key: value for key, value in details.items() if key not in _NO_FACTS},
                finished_at=record["at"],
                **told,
            )
            return
        if what == BRAKE:
            facts = {key: value for key, value in details.items() if key not in {"command", "frozen"}}
            command = str(details.get("command", BRAKE))
            self._run = replace(self._the_run, command=command, facts=facts, finished_at=record["at"], exit_code=0)
        if what == "watch":
            facts = {key: value for key, value in details.items() if key != "decisions"}
            self._run = replace(self._the_run, command="watch", facts=facts, finished_at=record["at"], exit_code=0)
        if what == "no_clear_answer" and details.get("intent_id") in self._steps:
            answer = " ".join(part for part in (details.get("code") or "", details.get("message") or "") if part)
            self._steps[details["intent_id"]] = replace(self._steps[details["intent_id"]], answer=answer)
        self._notes.append(Note(at=record["at"], what=what, details=details))

    @property
    def _the_run(self) -> Run:
        if self._run is None:
            raise RuntimeError("a record was read before its run")
        return self._run


def _step(record: Mapping[str, Any]) -> StepTaken:
    return StepTaken(
        intent_id=record["intent_id"],
        step_id=record["step_id"],
        run_id=record["run"],
        line=record["seq"],
        at=record["at"],
        address=record["address"],
        action=record["action"],
        asset=record["asset"],
        amount=record["amount"],
        before=record["before"],
        wanted=record["wanted"],
        signed_at_ms=record["signed_at_ms"],
        fence_ms=record["fence_ms"],
    )
