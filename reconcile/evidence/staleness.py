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

    Nothing may be sent on such a reading. Before ``long_after``, a margin must be the sum of our step and the rows, and
    no earlier margin may fit it better. That holds for a position of another size or identity too.
    ``long_after`` our step, only a margin at or behind the one before the step is stale, and only with the same size
    and identity. After an effect that moved no margin, no reading is stale.

    ``rows`` are the ledger's (empty: not read yet). Rows from ``unsure_since_ms`` (None: none) until our step was
    signed may be missing in the margin that the step was computed from. ``shared`` is as for ``sight``. If it is True,
    rows without a side must explain a reading to the last digit. A call without a side may be the other side's, so it
    explains nothing before ``long_after``.

    ``unknown`` are calls among the rows that our journal does not know. The sum must tell a reading with the smallest
    of them from one without it. No sum can do so for an unknown call without a side while ``shared``. ``older`` are the
    margins around our steps before the last one.
    """
    if position is None or None in {last_move.before, last_move.after}:
        return False
    reckoning = _Reckoning.of(position, last_move, rows, shared=shared, unsure_since_ms=unsure_since_ms)
    if long_after:
        return _is_same(position, last_move) and reckoning.is_behind and not reckoning.adds_up_by_calls
    if unnamed(tuple(unknown), shared=shared):
        return True
    recent = [abs(row.change) for row in unknown if row.time_ms >= (unsure_since_ms or 0)]
    return not reckoning.possible(least=min(recent, default=None), older=older).is_newest(reckoning.reading)


def _is_same(position: Position, move: Effect) -> bool:
    """Whether the position has the size, and the id if there is one, that it had at our step."""
    return position.size == move.size and move.identity in {None, position.identity}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reckoning:
    """A reading compared with our last step.

    ``before`` and ``amount`` (signed) belong to the step. ``newer`` are the address's rows since its signature;
    ``unsure`` are earlier rows that the margin before it may lack. Neither holds the step's own row. ``shared``: a row
    without a side may be the other side's.
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

    @property
    def adds_up_by_calls(self) -> bool:
        """Whether our step and the rows, calls without a side among them, make the reading."""
        return self.possible(by_calls=True).adds_up(self.reading)

    def explained(self, *, by_calls: bool) -> Decimal:
        """The sum that the rows have moved since the step.

        Rows without a side count only if some of them add up to the exact reading; ``by_calls`` lets calls be among
        them.
        """
        named = changes(certain(self.newer, shared=self.shared))
        missing = minus(self.reading, plus(self.left, named))
        others = [row for row in unnamed(self.newer, shared=self.shared) if by_calls or row.cause is not Cause.MANUAL]
        return plus(named, missing) if summing(others, missing) is not None else named

    def possible(
        self, *, by_calls: bool = False, least: Decimal | None = None, older: Collection[Decimal] = ()
    ) -> Possible:
        """The margins that are possible now; a reading must also be told apart by ``least``, if given."""
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
