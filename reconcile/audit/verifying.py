"""Whether journals hold: chains proven from the first line, in bounded memory, and against heads pinned outside."""

from collections.abc import Mapping

from reconcile.audit.history import Verdict
from reconcile.errors import ChainBroken, JournalError
from reconcile.journal.base import Store
from reconcile.journal.state import JournalState


def verify(store: Store, pins: Mapping[str, str]) -> list[Verdict]:
    """A verdict on every journal there is, and on every pin that none of them answers.

    ``pins`` are heads seen earlier, by account name or journal identity. Raises JournalError where journals cannot even
    be listed.
    """
    verdicts, answered = [], set()
    for identity in store.identities():
        verdict, names = _verify(store, identity, pins)
        answered |= names
        verdicts.append(verdict)
    missing = [
        Verdict(
            identity=account,
            account=account,
            is_good=False,
            records=0,
            head="",
            pinned=head,
            message=f"no journal here is of {account}: it is missing, or was cut before its first run",
        )
        for account, head in pins.items()
        if account not in answered
    ]
    return verdicts + missing


def heads(store: Store) -> list[Verdict]:
    """The head of every journal, its chain proven on the way; to be pinned outside."""
    return verify(store, {})


def _verify(store: Store, identity: str, pins: Mapping[str, str]) -> tuple[Verdict, set[str]]:
    """The verdict, and by which names the journal answers."""
    try:
        state = store.read(identity)
    except JournalError as error:
        return _bad(identity, error, pins.get(identity)), {identity}
    names = {identity, *state.names}
    for name in sorted(names & set(pins)):
        pinned = pins[name]
        if pinned == state.head:
            continue
        try:
            store.read(identity, pinned=pinned)
        except JournalError as error:
            return _bad(identity, error, pinned, state), names
    used = next((pins[name] for name in sorted(names) if name in pins), None)
    verdict = Verdict(
        identity=identity,
        account=_name(state, identity),
        is_good=True,
        records=state.records,
        head=state.head,
        pinned=used,
    )
    return verdict, names


def _bad(identity: str, error: JournalError, pinned: str | None, state: JournalState | None = None) -> Verdict:
    return Verdict(
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
    """What its last run called the account."""
    return str(state.last_run.details.get("account", identity)) if state.last_run is not None else identity
