"""Margin calls in the exchange's ledger that this journal does not know: made elsewhere, or by a later state of it.

``staleness.stale_basis`` checks a look against the calls in our journal. A look may lack any other call, because
positions may lag by as much as ten grace periods. Before the first call of a run, the run therefore reads the ledger of
its lanes over the last ten grace periods. If the ledger shows an unknown call, a look is sound in two cases only. It
was sent ten grace periods after that call, or its margin is the one after our last step plus all rows since.

One read after the cold fence is enough for a run. By then, a request of another machine or of a lost journal can no
longer take effect, and its row is in the ledger. The journal has the requests of this run itself. A run that sends
nothing reads the ledger one grace period after its start. By then, every effect from before that start is in the ledger
or in the positions.
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
    """The ledger as one run read it before its first call. Symbols that it did not read have no answer here."""

    def __init__(self, reader: Reader, desired: DesiredAccount, state: JournalState, *, grace_ms: int) -> None:
        self._reader = reader
        self._desired = desired
        self._state = state
        self._grace_ms = grace_ms
        self._ledgers: dict[str, LedgerRead] = {}
        self._asked_ms: dict[str, int] = {}
        self._since_ms = 0

    def asks(self, addresses: Collection[Address], *, after_ms: int) -> bool:
        """Whether one of these still needs a ledger read later than ``after_ms`` (exchange time)."""
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
        """The exchange time past which a look shows every call that the journal does not know.

        None if this look shows them all, or nothing is known of the address.
        """
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
        """The exchange time up to which a look shows every call if ``until`` is None; None: the ledger was not read."""
        asked_ms = self._asked_ms.get(address.symbol)
        if asked_ms is None:
            return None
        return calls_seen(asked_ms=asked_ms, sent_at_ms=look.sent_at_ms, grace_ms=self._grace_ms)

    def _recent(self, address: Address, now_ms: int) -> Effect | None:
        return _recent(self._state.moves.get(str(address)), now_ms=now_ms, grace_ms=self._grace_ms)


def _recent(move: Effect | None, *, now_ms: int, grace_ms: int) -> Effect | None:
    """The step, if a reading may still predate it; None if there is no step or it is too long ago."""
    return move if move is not None and now_ms - move.effect_ms <= LET_GO_GRACES * grace_ms else None


def calls_seen(*, asked_ms: int, sent_at_ms: int, grace_ms: int) -> int:
    """The exchange time up to which a look shows every call, if ``unseen_until`` finds none that it lacks.

    At least one of ledger and positions lags by no more than the grace period. An earlier call was therefore among the
    rows, or is in the look.
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

    ``known`` are the calls that the journal knows. ``move`` is its last step on the address, or None.
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
