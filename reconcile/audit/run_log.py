"""The log: one row per step, per step settled later, per watch decision, and per run that sent nothing.

A broken journal hides no other one, and not what stands before the break: that is proven. Who asks is told of it.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase

from reconcile.audit.reading import runs
from reconcile.errors import InputError, JournalError
from reconcile.journal.base import Store
from reconcile.journal.identity import owner_of
from reconcile.journal.records import IntentStatus
from reconcile.model.notes import BrakeNote, MoveNote, PlanNote, WatchNote
from reconcile.model.reports import CUT_OFF, IN_FLIGHT, LogRow, Note, Run, StepTaken
from reconcile.model.times import unix_ms
from reconcile.render.common.values import signed

_MOST_NAMES = 10
"""How many names an error lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """The part of the log to show; None and empty mean everything.

    ``account`` is a name or a journal's identity; ``address`` and ``actor`` may hold ``*``. Times are Unix milliseconds
    of the runner's clock, including ``since_ms`` and excluding ``until_ms``.
    """

    account: str | None = None
    address: str | None = None
    actor: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    outcomes: frozenset[str] = frozenset()

    def has_account(self, run: Run) -> bool:
        """Whether a run is of the wanted account."""
        return self.account in {None, run.account, owner_of(run.identity)}

    def has_run(self, run: Run) -> bool:
        """Whether a run can have rows that are wanted."""
        if not self.has_account(run):
            return False
        return self.actor is None or fnmatchcase(run.actor, self.actor)

    def has_row(self, row: LogRow) -> bool:
        """Whether a row is wanted."""
        if self.address is not None and not fnmatchcase(row.address, self.address):
            return False
        return self.has_time(row.at) and (not self.outcomes or row.outcome in self.outcomes)

    def has_time(self, at: str) -> bool:
        """Whether a moment (RFC 3339) is in the period."""
        moment = unix_ms(at)
        return (self.since_ms is None or moment >= self.since_ms) and (self.until_ms is None or moment < self.until_ms)


STEP_OUTCOMES = frozenset({IN_FLIGHT, *map(str, IntentStatus)})
"""How a step can end."""
RUN_OUTCOMES = frozenset({"in_sync", "nothing_sent", "error", "interrupted", CUT_OFF})
"""How a run that sent nothing can end; beside these there is ``refused:`` with the key of the rule."""
NOTE_OUTCOMES = frozenset({"saw", "waited", "decided", "frozen", "unfrozen", "moved"})
"""The notes of a watch, the brake and a move of the journal."""
OUTCOMES = STEP_OUTCOMES | RUN_OUTCOMES | NOTE_OUTCOMES
"""Every outcome of a row but ``refused:KEY``."""

OnBreak = Callable[[JournalError], None]
"""Told of each journal that cannot be read to its end."""


def raising(error: JournalError) -> None:
    """Take a broken journal for the end of everything."""
    raise error


def ignoring(_: JournalError) -> None:
    """Leave it to whoever else is told."""


def log(store: Store, wanted: Filter, *, on_break: OnBreak = raising) -> list[LogRow]:
    """The wanted rows of every journal, oldest first. Raises JournalError, InputError, and what ``on_break`` does."""
    return sorted(
        (row for run in selected(store, wanted, on_break=on_break) for row in rows(run) if wanted.has_row(row)),
        key=lambda row: (row.at, row.account),
    )


def selected(store: Store, wanted: Filter, *, on_break: OnBreak) -> Iterator[Run]:
    """The runs of every journal that may be wanted, journal by journal. Raises as ``scanned`` does."""
    return (run for run in scanned(store, wanted, on_break=on_break) if wanted.has_run(run))


def scanned(store: Store, wanted: Filter, *, on_break: OnBreak) -> Iterator[Run]:
    """Every run of every journal, journal by journal.

    Raises InputError at the end where no run can match ``wanted``: a filter that is misspelt finds nothing for ever.
    """
    known = _NamesInJournals()
    for identity in store.identities():
        known.names.add(owner_of(identity))
        for run in before_a_break(store, identity, on_break=on_break):
            known.add(run, is_of_account=wanted.has_account(run))
            yield run
    known.check(wanted)


class _NamesInJournals:
    """The names that the journals know, to tell a filter that fits nothing by accident from one that never can."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self._actors: set[str] = set()
        self._places: set[str] = set()
        self._refusals: set[str] = set()

    def add(self, run: Run, *, is_of_account: bool) -> None:
        """Take in one run; of accounts that are not wanted only the name counts."""
        self.names.add(run.account)
        if is_of_account:
            self._actors.add(run.actor)
            self._places |= places_of(run)
            self._refusals.add(f"refused:{run.refused}")

    def check(self, wanted: Filter) -> None:
        """Raise InputError where the wanted account, actor, address or refusal is in no run."""
        if wanted.account is not None and wanted.account not in self.names:
            raise no_such_account(wanted.account, near=self.names)
        of = "" if wanted.account is None else f" of {wanted.account}"
        for option, glob, names in (
            ("--actor", wanted.actor, self._actors),
            ("--address", wanted.address, self._places),
        ):
            if glob is not None and not any(fnmatchcase(name, glob) for name in names):
                raise InputError(f"filtering by {option} {glob}: no run{of} has one like it{_hint(glob, names)}")
        for outcome in sorted(wanted.outcomes - OUTCOMES - self._refusals):
            known = OUTCOMES | self._refusals
            raise InputError(f"filtering by --outcome {outcome}: no run{of} can end so{_hint(outcome, known)}")


def _hint(word: str, known: Iterable[str]) -> str:
    """A hint at the probable meaning, else the list of what exists, up to a readable length."""
    names = sorted(filter(None, known))
    near = get_close_matches(word, names, n=1)
    if near:
        return f"; did you mean {near[0]}?"
    return f"; there are {', '.join(names[:_MOST_NAMES])}{', ...' if len(names) > _MOST_NAMES else ''}" if names else ""


def places_of(run: Run) -> set[str]:
    """Every address that a run tells anything of."""
    places = {*run.addresses, *run.declared, *(run.live or {}), *(run.moved or {})}
    for note in run.notes:
        match note.body:
            case PlanNote(entries=entries):
                places.update(entry.address for entry in entries)
            case WatchNote(decisions=decisions):
                places.update(decision.address for decision in decisions)
            case _:
                pass
    return places - {""}


def before_a_break(store: Store, identity: str, *, on_break: OnBreak) -> Iterator[Run]:
    """The runs of one journal, as far as it can be read and its chain is good."""
    try:
        yield from runs(store.lines(identity), identity=identity)
    except JournalError as error:
        on_break(error)


def no_such_account(account: str, *, near: Iterable[str] = ()) -> InputError:
    """The error that says no journal has an account of this name or identity; ``near`` are those there are."""
    hint = _hint(account, near)
    return InputError(f"looking for account {account}: no journal here is of that name{hint or '; see audit head'}")


def find_runs(store: Store, run_id: str, *, on_break: OnBreak = raising) -> list[Run]:
    """The acts of one run on every account; raises InputError if there is none, or several begin with ``run_id``."""
    found = [run for run in selected(store, Filter(), on_break=on_break) if run.run_id.startswith(run_id)]
    ids = sorted({run.run_id for run in found})
    if run_id in ids:
        return [run for run in found if run.run_id == run_id]
    if len(ids) > 1:
        raise InputError(f"looking for run {run_id}: several begin so ({', '.join(ids[:5])}); write more of it")
    if not found:
        raise InputError(f"looking for run {run_id}: no journal here has it; see 'reconcile audit log'")
    return found


def rows(run: Run) -> Iterator[LogRow]:
    """The rows of one run, in order."""
    for step in run.settled:
        yield _row(run, step, what="settled", at=step.ended_at or run.started_at)
    for step in run.steps:
        yield _row(run, step, what=step.action, at=step.at)
    for note in run.notes:
        yield from _note_rows(run, note)
    if not run.addresses and not any(_has_rows(note) for note in run.notes):
        outcome = run.refused and f"refused:{run.refused}"
        yield _plain_row(
            run, "run", outcome or _nothing_sent(run), at=run.started_at, detail="; ".join(_first(run.errors))
        )


def _has_rows(note: Note) -> bool:
    return isinstance(note.body, WatchNote | BrakeNote | MoveNote)


def _note_rows(run: Run, note: Note) -> Iterator[LogRow]:
    match note.body:
        case BrakeNote(frozen=frozen):
            held = "in a form that this version does not know" if frozen is None else ", ".join(sorted(frozen))
            done = "frozen" if run.command == "freeze" else "unfrozen"
            detail = f"frozen from then on: {held or 'nothing'}"
            yield _plain_row(run, run.command, done, at=note.at, detail=detail)
        case WatchNote(decisions=decisions):
            for each in decisions:
                yield _plain_row(run, "watch", each.outcome, at=note.at, detail=each.decision, address=each.address)
        case MoveNote(to=to):
            yield _plain_row(run, run.command, "moved", at=note.at, detail=f"the journal goes on as {to}")
        case _:
            pass


def _nothing_sent(run: Run) -> str:
    return "in_sync" if run.exit_code == 0 else "nothing_sent" if run.outcome == "done" else run.outcome


def _first(errors: Iterable[str]) -> list[str]:
    return list(errors)[:3]


def _row(run: Run, step: StepTaken, *, what: str, at: str) -> LogRow:
    change = step.change
    return LogRow(
        at=at,
        what=what,
        outcome=step.outcome,
        address=step.address,
        amount="" if change is None else signed(change),
        asset=step.asset or "",
        before=step.before,
        after=step.after or "",
        detail="; ".join(part for part in (step.answer, step.evidence) if part),
        **_trace(run),
    )


def _plain_row(run: Run, what: str, outcome: str, *, at: str, detail: str, address: str = "") -> LogRow:
    return LogRow(
        at=at,
        what=what,
        outcome=outcome,
        address=address,
        detail=detail,
        **_trace(run),
    )


def _trace(run: Run) -> dict[str, str]:
    """The fields of a row that come from its run."""
    own = {name: getattr(run, name) for name in ("account", "identity", "run_id", "actor", "command", "reason")}
    return {**own, **{name: getattr(run.origin, name) for name in ("host", "git_commit", "plan_id", "digest")}}
