"""The log: one row per step, per step settled later, per watch decision, and per run that sent nothing.

A broken journal hides no other one, and not what stands before the break: that is proven. Who asks is told of it.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from reconcile.audit.reading import BRAKE, runs
from reconcile.errors import InputError, JournalError
from reconcile.journal.base import Store
from reconcile.journal.identity import owner_of
from reconcile.model.reports import LogRow, Run, StepTaken
from reconcile.model.times import unix_ms
from reconcile.render.values import signed


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What of the log is wanted; None and empty mean everything.

    ``account`` is a name or a journal's identity, ``address`` and ``actor`` may hold ``*``; times are Unix milliseconds
    of the runner's clock, ``since_ms`` included and ``until_ms`` not.
    """

    account: str | None = None
    address: str | None = None
    actor: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    outcomes: frozenset[str] = frozenset()

    def has_run(self, run: Run) -> bool:
        """Whether a run can have rows that are wanted."""
        if self.account is not None and self.account not in {run.account, owner_of(run.identity)}:
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
    """The runs of every journal that may be wanted, journal by journal; raises InputError for an unknown account."""
    known = wanted.account is None
    for identity in store.identities():
        known = known or wanted.account == owner_of(identity)
        for run in before_a_break(store, identity, on_break=on_break):
            known = known or wanted.account == run.account
            if wanted.has_run(run):
                yield run
    if not known:
        raise no_such_account(wanted.account or "")


def before_a_break(store: Store, identity: str, *, on_break: OnBreak) -> Iterator[Run]:
    """The runs of one journal, as far as it can be read and its chain is good."""
    try:
        yield from runs(store.lines(identity), identity=identity)
    except JournalError as error:
        on_break(error)


def no_such_account(account: str) -> InputError:
    """Nobody by that name or identity is in any journal."""
    return InputError(f"looking for account {account}: no journal here is of that name; see 'reconcile audit head'")


def find_runs(store: Store, run_id: str, *, on_break: OnBreak = raising) -> list[Run]:
    """What one run did, on every account; raises InputError when there is none, or several begin with ``run_id``."""
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
        if note.what == BRAKE:
            held = ", ".join(sorted(note.details.get("frozen", {}))) or "nothing"
            done = "frozen" if run.command == "freeze" else "unfrozen"
            yield _plain_row(run, run.command, done, at=note.at, detail=f"frozen from then on: {held}")
        if note.what == "watch":
            for each in note.details.get("decisions", ()):
                outcome, address = each.get("outcome", "decided"), each["address"]
                yield _plain_row(run, "watch", outcome, at=note.at, detail=each["decision"], address=address)
    if not run.addresses and not any(note.what in {"watch", BRAKE} for note in run.notes):
        outcome = run.refused and f"refused:{run.refused}"
        yield _plain_row(
            run, "run", outcome or _nothing_sent(run), at=run.started_at, detail="; ".join(_first(run.errors))
        )


def _nothing_sent(run: Run) -> str:
    return "in_sync" if run.exit_code == 0 else "nothing_sent" if run.outcome == "done" else run.outcome


def _first(errors: Iterable[str]) -> list[str]:
    return list(errors)[:3]


def _row(run: Run, step: StepTaken, *, what: str, at: str) -> LogRow:
    change = step.change
    return LogRow(
        at=at,
        account=run.account,
        identity=run.identity,
        run_id=run.run_id,
        actor=run.actor,
        command=run.command,
        what=what,
        outcome=step.outcome,
        address=step.address,
        amount="" if change is None else signed(change),
        asset=step.asset or "",
        before=step.before,
        after=step.after or "",
        detail="; ".join(part for part in (step.answer, step.evidence) if part),
        reason=run.reason,
    )


def _plain_row(run: Run, what: str, outcome: str, *, at: str, detail: str, address: str = "") -> LogRow:
    return LogRow(
        at=at,
        account=run.account,
        identity=run.identity,
        run_id=run.run_id,
        actor=run.actor,
        command=run.command,
        what=what,
        outcome=outcome,
        address=address,
        detail=detail,
        reason=run.reason,
    )
