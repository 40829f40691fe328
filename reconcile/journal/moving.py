"""Leading a journal to its account's new name: from a key's fingerprint to the id that the exchange tells.

The act is a record of the journal itself (``Relocation``), so the chain proves it, and it is done under the locks of
both names. In files the lines are then copied beside the new name and renamed into it, and the old file becomes a
tombstone; in PostgreSQL it is one transaction. Whatever the moment of a crash, the next run finds what is left to do.

Where both names have a journal already, their lines cannot become one chain. The old one is closed where it stands, but
never while a step of it is unsettled: a run looks into one journal only.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from reconcile.errors import Declined
from reconcile.journal.records import Relocation
from reconcile.journal.state import JournalState


class Move(StrEnum):
    """What is left to do so that an account has one journal, under its new name."""

    NOTHING = "nothing"
    LEAD = "lead"  # write the record, then carry
    CARRY = "carry"  # the record is there: let the lines have the new name, then bury
    BURY = "bury"  # the new name has all lines: make the old one a tombstone
    CLOSE = "close"  # the new name has a journal of its own: end the old one with the record


def decide(old: JournalState, new: JournalState | None, *, names: tuple[str, str], is_copy: Callable[[], bool]) -> Move:
    """What is left of moving ``names[0]`` to ``names[1]``; ``new`` is None where that has no journal.

    ``is_copy`` tells whether the new journal holds every line of the old one. Raises Declined (key ``account``) where
    both have a journal of their own and the old one has unsettled steps.
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
    """The record of a move; ``holder`` is who takes the locks for it."""
    who = {key: holder.get(key, "") for key in ("account", "actor", "host")}
    return Relocation(to=to, with_records=with_records, **who)


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalNames:
    """Where an account's journal is: ``reads`` for commands that only read, ``moves`` what a run leads away first."""

    reads: str
    moves: tuple[str, ...] = ()


class _Readable(Protocol):
    def identities(self) -> list[str]: ...

    def read(self, identity: str) -> JournalState: ...


def journal_names(store: _Readable, name: str, former: Collection[str]) -> JournalNames:
    """The journal that holds what is known of the account called ``name``, which may still have a ``former`` name.

    Raises JournalError, and Declined (key ``account``) where steps are unsettled in more than one journal.
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
    if is_begun:
        return JournalNames(reads=name, moves=tuple(left))
    first = next(iter([*led, *unsettled, *left]), name)
    return JournalNames(reads=first, moves=tuple(sorted(left, key=lambda each: each != first)))


def _is_closed(state: JournalState, name: str) -> bool:
    return state.moved is not None and state.moved.to == name and not state.moved.with_records


def led_away(identity: str, to: str) -> Declined:
    """The refusal (key ``account``) to use a journal that was led to another name."""
    return Declined(
        "account",
        f"opening the journal of {identity}: it was moved to {to}, since the exchange told which account that is, and "
        "goes on there; let this key read the account's id again (docs/exchanges), or wait for the run that moves it",
    )


def _open_in_both(name: str, others: Collection[str]) -> Declined:
    return Declined(
        "account",
        f"finding the account's journal: {name} and {' and '.join(others)} both stand for it, and "
        f"{'that has' if len(others) == 1 else 'those have'} unsettled steps; settle them first, each with "
        "'reconcile resolve' once 'reconcile audit log' and the exchange's own history show what happened",
    )
