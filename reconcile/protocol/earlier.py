"""Margin calls in the exchange's ledger that this journal does not know: made elsewhere, or by a later state of it.

What our journal knows of is held against its own margin (``staleness.stale_basis``). Of any other call it is unknown
whether a look has seen it, because positions may be as much as ten graces late. So before the first call of a run the
ledger of its lanes is read over the last ten graces; where it shows a call that the journal does not know, a look is
sound only when it was sent ten graces after that call, or when what our last step left and all rows since add up to it.

One read after the cold fence is enough for a run. What another machine or a lost journal sent has died by then, and its
row is in the ledger; what this run sends itself is in the journal. A run that sends nothing reads the ledger one grace
after its start: what took effect before that start is in the ledger or in the positions by then.
"""

from collections.abc import Collection, Sequence
from decimal import Decimal

from reconcile.evidence.possible import margins_around
from reconcile.evidence.rows import CLOCK_AHEAD_MS, unknown_calls
from reconcile.evidence.staleness import stale_basis
from reconcile.exchanges.base import Reader, lane_of, shares_symbol
from reconcile.journal.records import Effect, Intent
from reconcile.journal.state import JournalState
from reconcile.model.account import Address, DesiredAccount, ObservedAccount, Position
from reconcile.model.ledger import LedgerRead
from reconcile.planning.moves import amount_step
from reconcile.protocol.timing import LET_GO_GRACES, LONG_AFTER_GRACES, unsure_from


class Earlier:
    """What one run has asked the ledger before its first call. Nothing is known of a symbol that was not asked."""

    def __init__(self, reader: Reader, desired: DesiredAccount, state: JournalState, *, grace_ms: int) -> None:
        self._reader = reader
        self._desired = desired
        self._state = state
        self._grace_ms = grace_ms
        self._ledgers: dict[str, LedgerRead] = {}
        self._asked_ms: dict[str, int] = {}
        self._since_ms = 0

    def asks(self, addresses: Collection[Address], *, after_ms: int) -> bool:
        """Whether the ledger is still to be asked for one of these, later than ``after_ms`` (exchange time)."""
        return any(self._asked_ms.get(address.symbol, -1) <= after_ms for address in addresses)

    async def ask(self, addresses: Collection[Address]) -> None:
        """Read the ledger of these addresses' symbols, all at once. Raises ReadFailed."""
        symbols = list(dict.fromkeys(address.symbol for address in addresses))
        if not symbols:
            return
        now = self._reader.time.latest()
        moves = [move for address in addresses if (move := self._recent(address, now)) is not None]
        windows = [unsure_from(move, grace_ms=self._grace_ms) - CLOCK_AHEAD_MS for move in moves]
        self._since_ms = min([now - LONG_AFTER_GRACES * self._grace_ms - 2 * CLOCK_AHEAD_MS, *windows])
        asked_ms = self._reader.time.earliest()
        self._ledgers.update(await self._reader.ledgers(symbols, since_ms=self._since_ms))
        self._asked_ms.update(dict.fromkeys(symbols, asked_ms))

    def until(self, address: Address, look: ObservedAccount) -> int | None:
        """The exchange time that a look must be later than to show every call the journal does not know; None: it
        does."""
        ledger, position = self._ledgers.get(address.symbol), look.positions.get(address)
        if ledger is None or position is None:
            return None
        return unseen_until(
            position,
            ledger,
            sent_at_ms=look.sent_at_ms,
            known=self._state.calls.get(lane_of(self._reader.traits, address), ()),
            move=self._state.moves.get(str(address)),
            step_size=amount_step(self._desired, self._reader.traits, position.asset),
            shared=shares_symbol(look, address.symbol),
            grace_ms=self._grace_ms,
        )

    def calls_seen(self, address: Address, look: ObservedAccount) -> int | None:
        """The exchange time up to which a look shows every call, where ``until`` is None; None: not asked."""
        asked_ms = self._asked_ms.get(address.symbol)
        if asked_ms is None:
            return None
        return calls_seen(asked_ms=asked_ms, sent_at_ms=look.sent_at_ms, grace_ms=self._grace_ms)

    def _recent(self, address: Address, now_ms: int) -> Effect | None:
        return _recent(self._state.moves.get(str(address)), now_ms=now_ms, grace_ms=self._grace_ms)


def _recent(move: Effect | None, *, now_ms: int, grace_ms: int) -> Effect | None:
    """A step that a reading may still be from before, None where it is none or too long ago."""
    return move if move is not None and now_ms - move.effect_ms <= LET_GO_GRACES * grace_ms else None


def calls_seen(*, asked_ms: int, sent_at_ms: int, grace_ms: int) -> int:
    """The exchange time up to which a look shows every call, where ``unseen_until`` finds none that it lacks.

    One of ledger and positions is no later than the grace: so a call before that was among the rows, or is in the look.
    """
    return max(0, min(asked_ms, sent_at_ms) - grace_ms - CLOCK_AHEAD_MS)


def unseen_until(
    position: Position,
    ledger: LedgerRead,
    *,
    sent_at_ms: int,
    known: Sequence[Intent],
    move: Effect | None,
    step_size: Decimal,
    shared: bool,
    grace_ms: int,
) -> int | None:
    """``Earlier.until`` of a position that was read at ``sent_at_ms``, as values.

    ``known`` are the calls that the journal knows, ``move`` is its last step on the address, None: none is known.
    """
    move = _recent(move, now_ms=sent_at_ms, grace_ms=grace_ms)
    unknown = unknown_calls(ledger.rows, known, position.address, step_size=step_size)
    late_ms = LONG_AFTER_GRACES * grace_ms + CLOCK_AHEAD_MS
    recent = [row for row in unknown if row.time_ms + late_ms >= sent_at_ms]
    if not recent:
        return None
    if move is not None and not stale_basis(
        position,
        move,
        ledger.rows,
        shared=shared,
        unsure_since_ms=unsure_from(move, grace_ms=grace_ms),
        unknown=unknown,
        older=margins_around(
            known,
            position.address,
            since_ms=sent_at_ms - LONG_AFTER_GRACES * grace_ms,
            but_after=move.signed_ms,
        ),
    ):
        return None
    return max(row.time_ms for row in recent) + late_ms
