"""Move a journal to its account's new name: from a key's fingerprint to the id that the exchange reports.

A record of the journal itself (``Relocation``) makes the move, so the chain proves it. The move holds the locks of both
names. In files, the lines are then copied beside the new name and renamed to it, and the old file becomes a tombstone.
In PostgreSQL, the move is one transaction. After a crash at any moment, the next run finds the acts that are left.

If both names have a journal already, their lines cannot become one chain. The old one is then closed in its place, but
never while it has an unsettled step, because a run reads only one journal.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from reconcile.errors import Declined
from reconcile.journal.records import Relocation
from reconcile.journal.state import JournalState


class Move(StrEnum):
    """The next act until an account has one journal, under its new name."""

    NOTHING = "nothing"
    LEAD = "lead"  # write the record, then carry
    CARRY = "carry"  # the record exists: give the lines the new name, then bury
    BURY = "bury"  # the new name has all lines: make the old file a tombstone
    CLOSE = "close"  # the new name has a journal of its own: end the old one with the record


def decide(old: JournalState, new: JournalState | None, *, names: tuple[str, str], is_copy: Callable[[], bool]) -> Move:
    """The next act in moving ``names[0]`` to ``names[1]``; ``new`` is None if the new name has no journal.

    ``is_copy`` tells whether the new journal holds every line of the old one. Raises Declined (key ``account``) if both
    names have a journal of their own and the old one has unsettled steps.
    """
    led = old.moved if old.moved is not None and old.moved.to == names[1] else None
    if new is None or not new.records:
        return Move.CARRY if led is not None and led.with_records else Move.LEAD
    if led is not None and led.with_records and is_copy():
        return Move.BURY
    if old.unsettled:
        raise _open_in_both(names[1], [names[0]])
    return Move.CLOSE if led is None or led.with_records else Move.NOTHING


def relocation(to: str, holder: Mapping[str, str], *, with_records: bool) -> Relocation:
    """The record of a move; ``holder`` takes the locks for it."""
    account, actor, host = (holder.get(key, "") for key in ("account", "actor", "host"))
    return Relocation(to=to, with_records=with_records, account=account, actor=actor, host=host)


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalNames:
    """The names of an account's journal: read-only commands use ``reads``; a run first moves ``moves`` away.

    ``beside`` are journals of the account that are no part of it: their runs did not know the account's new name.
    """

    reads: str
    moves: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()


class _Readable(Protocol):
    def identities(self) -> list[str]: ...

    def read(self, identity: str) -> JournalState: ...


def journal_names(store: _Readable, name: str, former: Collection[str]) -> JournalNames:
    """The names of the journal of the account ``name``, which may still be kept under a ``former`` name.

    Raises JournalError, and Declined (key ``account``) if more than one journal has unsettled steps.
    """
    listed = set(store.identities()) if former else set()
    states = {each: store.read(each) for each in former if each in listed}
    if not states:
        return JournalNames(reads=name)
    left = [each for each, state in states.items() if state.unsettled or not _is_closed(state, name)]
    led = [each for each in left if (moved := states[each].moved) is not None and moved.to == name]
    is_begun = name in listed and bool(store.read(name).records)
    unsettled = [each for each in left if states[each].unsettled and each not in led]
    if is_begun and unsettled:
        raise _open_in_both(name, unsettled)
    if len(unsettled) > 1 or (led and unsettled):
        raise _open_in_both(unsettled[0], [*led, *unsettled[1:]])
    first = name if is_begun else next(iter([*led, *unsettled, *left]), name)
    beside = tuple(each for each in states if each != first)
    return JournalNames(reads=first, moves=tuple(sorted(left, key=lambda each: each != first)), beside=beside)


def _is_closed(state: JournalState, name: str) -> bool:
    return state.moved is not None and state.moved.to == name and not state.moved.with_records


def led_away(identity: str, to: str) -> Declined:
    """The refusal (key ``account``) to use a journal that was moved to another name."""
    return Declined(
        "account",
        f"opening the journal of {identity}: it was moved to {to} when the exchange reported the account's id; let "
        "this key read that id again (docs/exchanges), or wait for the run that moves it",
    )


def _open_in_both(name: str, others: Collection[str]) -> Declined:
    held = " and ".join(others)
    return Declined(
        "account",
        f"finding the account's journal: {name} and {held} are journals of one account, and "
        f"{held} {'has' if len(others) == 1 else 'have'} unsettled steps; settle each with 'reconcile resolve' once "
        "'reconcile audit log' and the exchange's own history show what happened",
    )
