"""Notes of a watch for the auditor: kept during a round, written beside each account's journal after it.

There are three kinds of notes. ``saw`` is a confirmed change of state, ``waited`` a look at another state that is not
confirmed yet, ``decided`` a decision not to act. An unchanged state is no news, whatever its amounts do. An apply by
the watch writes its own journal records.
"""

from collections import defaultdict
from dataclasses import dataclass

from reconcile.journal.identity import UNATTRIBUTED
from reconcile.journal.records import NoteRecord
from reconcile.model.notes import WatchDecision, WatchNote
from reconcile.model.run_start import RunStart
from reconcile.usecases.notes import note
from reconcile.usecases.world import World

SAW, WAITED, DECIDED = "saw", "waited", "decided"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Account:
    """The account that notes belong to, and its state file."""

    identity: str
    state_file: str | None = None
    sha256: str | None = None


class WatchNotes:
    """The decisions of one watch that are not written yet, by account; the empty name is no account's."""

    def __init__(self, world: World, *, needed: int, reason: str | None, applies: bool) -> None:
        """``needed`` is how many looks must agree before a state is believed."""
        self._world = world
        self._needed = needed
        self._reason = reason
        self._applies = applies
        self._accounts: dict[str, _Account] = {}
        self._doubted: dict[tuple[str, str], str] = {}
        self._decisions: dict[str, list[WatchDecision]] = defaultdict(list)

    def knows(self, account: str, identity: str, *, state_file: str, sha256: str) -> None:
        """Keep the name of an account's journal, as far as it is known by now."""
        self._accounts[account] = _Account(identity=identity, state_file=state_file, sha256=sha256)

    def add(self, key: tuple[str, str], message: str, *, outcome: str = DECIDED) -> None:
        """Keep one decision about an account and an address (empty for the account itself)."""
        self._decisions[key[0]].append(WatchDecision(address=key[1], decision=message, outcome=outcome))

    def looked(self, key: tuple[str, str], state: str, held: str | None, message: str) -> None:
        """Keep it where a look shows a ``state`` that is not ``held`` to be true, once as long as it shows that."""
        if held is None or state == held:
            if self._doubted.pop(key, None) is not None and state == held:
                self.add(key, f"{held} again; the state seen meanwhile did not last", outcome=WAITED)
        elif self._doubted.get(key) != state:
            self._doubted[key] = state
            seen = f"{state} ({message})" if message else state
            self.add(key, f"seen as {seen}; still held to be {held} until {self._needed} looks agree", outcome=WAITED)

    def believed(self, key: tuple[str, str], before: str | None, after: str, message: str) -> None:
        """Keep a change of state that enough looks agree on."""
        self._doubted.pop(key, None)
        turn = f"{before} → {after}" if before else after
        self.add(key, f"{turn}: {message}" if message else turn, outcome=SAW)

    async def write(self, account: str) -> None:
        """Write what is kept of one account (empty: of none) as one record."""
        decisions = self._decisions.pop(account, [])
        if not decisions:
            return
        world = self._world
        known = self._accounts.get(account, _Account(identity=UNATTRIBUTED))
        start = RunStart(
            account=account or UNATTRIBUTED,
            actor=world.actor,
            reason=self._reason,
            tool_version=world.version,
            state_file=known.state_file,
            state_sha256=known.sha256,
        )
        told = WatchNote(start=start, host=world.host, applies=self._applies, decisions=tuple(decisions))
        record = NoteRecord(what=told.what, details=told)
        await note(world, known.identity, record, name=account or "watch", command="watch")
