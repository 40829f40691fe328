"""Verify journals: chains from the first line, in bounded memory, and against heads pinned outside.

The notes beside a journal are chains like any other; what they were whenever a run began is pinned by the journal.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from reconcile.errors import ChainBroken, JournalError
from reconcile.journal.base import Store
from reconcile.journal.identity import is_notes, notes_of
from reconcile.journal.state import JournalState
from reconcile.model.reports import ChainVerdict


def verify(store: Store, pins: Mapping[str, str]) -> list[ChainVerdict]:
    """A verdict on every chain there is, and on every pin that none of them answers.

    ``pins`` are heads seen earlier, by account name or journal identity. A journal's runs pin the notes beside it.
    Raises JournalError where journals cannot even be listed.
    """
    verdicts: list[ChainVerdict] = []
    answered: set[str] = set()
    anchors: dict[str, Sequence[bytes]] = {}
    listed = store.identities()
    for identity in (name for name in listed if not is_notes(name)):
        found = _verify(store, identity, pins)
        verdicts.append(found.verdict)
        answered |= found.names
        anchors |= found.anchors
    for identity in (name for name in listed if is_notes(name)):
        found = _verify(store, identity, pins)
        answered |= found.names
        seen = anchors.pop(identity, ())
        verdicts.append(_anchored(store, found.verdict, seen) if found.verdict.is_good else found.verdict)
    missing = [
        *(_missing(account, head) for account, head in pins.items() if account not in answered),
        *(_missing(account, seen[-1].hex()) for account, seen in anchors.items() if account not in pins),
    ]
    return verdicts + missing


def _missing(account: str, head: str) -> ChainVerdict:
    return ChainVerdict(
        identity=account,
        account=account,
        is_good=False,
        records=0,
        head="",
        pinned=head,
        message=f"no journal here is of {account}: it is missing, or was cut before its first run",
    )


def heads(store: Store) -> list[ChainVerdict]:
    """The head of every journal, its chain proven on the way; to be pinned outside."""
    return verify(store, {})


@dataclass(frozen=True, slots=True, kw_only=True)
class _ChainFacts:
    """One chain: by which names it answers, and which heads it pins of others."""

    verdict: ChainVerdict
    names: set[str]
    anchors: Mapping[str, Sequence[bytes]]


def _verify(store: Store, identity: str, pins: Mapping[str, str]) -> _ChainFacts:
    try:
        state = store.read(identity, whole=True)
        deque(store.lines(identity), maxlen=0)  # also the notes, which a run only counts
    except JournalError as error:
        return _ChainFacts(verdict=_bad(identity, error, pins.get(identity)), names={identity}, anchors={})
    names = {identity, *state.identities, *state.names}
    found = _ChainFacts(
        verdict=ChainVerdict(
            identity=identity,
            account=_name(state, identity),
            is_good=True,
            records=state.records,
            head=state.head,
            pinned=next((pins[name] for name in sorted(names) if name in pins), None),
        ),
        names=names,
        anchors={notes_of(name): heads for name, heads in state.notes_heads.items() if heads},
    )
    for name in sorted(names & set(pins)):
        pinned = pins[name]
        if pinned == state.head:
            continue
        try:
            store.read(identity, pinned=pinned)
        except JournalError as error:
            return replace(found, verdict=_bad(identity, error, pinned, state))
    return found


def _anchored(store: Store, verdict: ChainVerdict, seen: Sequence[bytes]) -> ChainVerdict:
    """Whether notes still have every line that was their last when a run of the journal began, in that order."""
    wanted = deque(each.hex() for each in seen)
    reached = 0
    try:
        for line, value in enumerate(store.lines(verdict.identity)):
            if wanted and value["prev"] == wanted[0]:
                wanted.popleft()
                reached = line
    except JournalError as error:
        return _bad(verdict.identity, error, verdict.pinned)
    if wanted and wanted[0] == verdict.head:
        wanted.popleft()
    if not wanted:
        return verdict
    message = (
        f"reading {verdict.identity}: no line behind line {reached} has the hash {wanted[0]}, which was the last one "
        "when a run of the journal began; lines were cut off or replaced"
    )
    return replace(verdict, is_good=False, bad_line=reached + 1, message=message)


def _bad(identity: str, error: JournalError, pinned: str | None, state: JournalState | None = None) -> ChainVerdict:
    return ChainVerdict(
        identity=identity,
        account=identity if state is None else _name(state, identity),
        is_good=False,
        records=0 if state is None else state.records,
        head="" if state is None else state.head,
        pinned=pinned,
        bad_line=error.line if isinstance(error, ChainBroken) else None,
        message=str(error),
    )


def _name(state: JournalState, identity: str) -> str:
    """The account's name in its last run."""
    return (None if state.last_run is None else state.last_run.details.account) or identity
