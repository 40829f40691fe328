"""Decide whether a read may predate our last step, from that step's margin and the ledger's rows. Pure."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Self

from reconcile.evidence.possible import Possible
from reconcile.evidence.rows import certain, changes, may_be_of, our_row, rows_since, unnamed, unsure_rows
from reconcile.journal.records import Effect
from reconcile.model.account import Position
from reconcile.model.ledger import Cause, LedgerRow, summing
from reconcile.money import ZERO, minus, plus


def stale_basis(
    position: Position | None,
    last_move: Effect,
    rows: Sequence[LedgerRow],
    *,
    shared: bool = False,
    long_after: bool = False,
    unsure_since_ms: int | None = None,
    unknown: Collection[LedgerRow] = (),
    older: Collection[Decimal] = (),
) -> bool:
    """Whether an observation may show the margin from before our last step, and no ledger row explains it.

    Such a reading is no basis for sending. Until ``long_after`` our step that is any margin that our step and the rows
    do not add up to, or that a margin from before fits better; a position of another size or identity too, which is
    another matter long after. ``long_after`` it is only a margin at or behind the one before our step. An effect that
    moved no margin is another matter at once.

    ``rows`` are the ledger's (empty: not asked yet). Those from ``unsure_since_ms`` (None: none) until our step was
    signed may be missing in the margin it was computed from. ``shared`` as for ``sight``: then rows without a side
    explain a reading only to the last digit, and a call's only long after, since it may as well be the other side's.
    ``unknown`` are calls among the rows that our journal does not know: what is to add up must tell a reading with the
    least of them from one without it, and of one without a side nothing does. ``older`` are the margins around our
    steps before the last one.
    """
    before, after = last_move.before, last_move.after
    if position is None or before is None or after is None:
        return False
    reckoning = _Reckoning.of(position, last_move, rows, shared=shared, unsure_since_ms=unsure_since_ms)
    if long_after:
        same = last_move.identity is None or position.identity == last_move.identity
        is_comparable = same and position.size == last_move.size
        return (
            is_comparable and reckoning.is_behind and not reckoning.possible(by_calls=True).adds_up(reckoning.reading)
        )
    if any(row.side is None and shared for row in unknown):
        return True
    least = min((abs(row.change) for row in unknown if row.time_ms >= (unsure_since_ms or 0)), default=None)
    return not reckoning.possible(least=least, older=older).is_newest(reckoning.reading)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reckoning:
    """A reading held against our last step.

    ``before`` and ``amount`` (signed) are the step's, ``newer`` the address's rows since it was signed and ``unsure``
    those that its margin before may lack, its own left out. ``shared``: a row without a side may be the other side's.
    """

    reading: Decimal
    before: Decimal
    amount: Decimal
    newer: Sequence[LedgerRow]
    unsure: Sequence[LedgerRow]
    shared: bool

    @classmethod
    def of(
        cls, position: Position, move: Effect, rows: Sequence[LedgerRow], *, shared: bool, unsure_since_ms: int | None
    ) -> Self:
        """The reckoning of a position; ``move`` has both margins."""
        before, after = move.before or ZERO, move.after or ZERO
        ours = our_row(rows_since(rows, move), move, minus(after, before))
        mine = [row for row in rows if row is not ours and may_be_of(row, move.address)]
        return cls(
            reading=position.isolated_margin,
            before=before,
            amount=minus(after, before) if ours is None else ours.change,
            newer=[row for row in mine if row.time_ms >= move.signed_ms],
            unsure=unsure_rows(
                mine,
                move.address,
                unsure_since_ms,
                signed_ms=move.signed_ms,
                calls_seen_ms=move.calls_seen_ms,
                same_size=position.size == move.size,
            ),
            shared=shared,
        )

    @property
    def left(self) -> Decimal:
        """The margin that our step left."""
        return plus(self.before, self.amount)

    @property
    def is_behind(self) -> bool:
        """Whether the reading is at or behind the margin before our step."""
        ahead = minus(self.reading, self.before)
        return (ahead if self.amount > 0 else -ahead) <= abs(self.amount) / 4

    def explained(self, *, by_calls: bool) -> Decimal:
        """What the rows moved since: rows without a side only where they make the reading whole, a call's among them
        ``by_calls``."""
        named = changes(certain(self.newer, shared=self.shared))
        missing = minus(self.reading, plus(self.left, named))
        others = [row for row in unnamed(self.newer, shared=self.shared) if by_calls or row.cause is not Cause.MANUAL]
        return plus(named, missing) if summing(others, missing) is not None else named

    def possible(
        self, *, by_calls: bool = False, least: Decimal | None = None, older: Collection[Decimal] = ()
    ) -> Possible:
        """The margins that can stand there; ``least`` is an amount that must be told apart as well as the step."""
        return Possible(
            before=self.before,
            amount=self.amount,
            since=self.explained(by_calls=by_calls),
            unsure=[row.change for row in self.unsure],
            older=(*older, *self._between()),
            quarter=min(abs(self.amount), abs(self.amount) if least is None else least) / 4,
        )

    def _between(self) -> list[Decimal]:
        """The margins before each call of another party since our step."""
        found, margin = [], self.left
        for row in certain(self.newer, shared=self.shared):
            if row.cause is Cause.MANUAL:
                found.append(margin)
            margin = plus(margin, row.change)
        return found
