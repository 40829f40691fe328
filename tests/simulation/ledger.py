"""Books whose history is not exact: its clock is behind, it rounds, it has a call as two rows, or it is short."""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace

from reconcile.money import rounded
from reconcile.sandbox.books import Books
from reconcile.sandbox.rules import Rules
from reconcile.sandbox.values import BookRow

_CALLS = {"add", "reduce"}
_FIRST_DIGITS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """How the history differs from what happened: rows are dated ``behind`` milliseconds before their effect, amounts
    have ``digits`` decimals (-1: all), and a call is two rows that add up to it where ``splits``, the first of them
    ``tenths`` tenths of it; with ``ours_only`` a person's call stays one row. ``reach`` is how far back the history
    goes, milliseconds (0: as far as the exchange's documents say)."""

    behind: int = 0
    digits: int = -1
    splits: bool = False
    tenths: int = 4
    ours_only: bool = False
    reach: int = 0


EXACT = Ledger()


class InexactBooks(Books):
    """An account whose history shows as its ``Ledger`` says; what happens in it is as ever."""

    __slots__ = ("_ledger",)

    def __init__(self, ledger: Ledger, *, uid: str, position_mode: str, rules: Rules) -> None:
        super().__init__(uid=uid, position_mode=position_mode, rules=rules)
        self._ledger = ledger

    def rows_as_of(self, time_ms: int) -> list[BookRow]:
        """See ``Books.rows_as_of``."""
        rows = super().rows_as_of(time_ms)
        if self._ledger.reach:
            rows = rows[bisect_right(rows, time_ms - self._ledger.reach, key=lambda row: row.time_ms) :]
        return [shown for row in rows for shown in self._shown(row)]

    def _shown(self, row: BookRow) -> Iterator[BookRow]:
        ledger, change = self._ledger, row.change
        is_whole = not ledger.splits or row.cause not in _CALLS or (ledger.ours_only and not self._is_ours(row))
        row = replace(row, row_id=2 * row.row_id, time_ms=row.time_ms - ledger.behind)
        if row.cause in _CALLS and ledger.digits >= 0:
            change = rounded(change, ledger.digits) or change
        first = rounded(change * ledger.tenths / 10, _FIRST_DIGITS if ledger.digits < 0 else ledger.digits)
        if is_whole or not first:
            yield replace(row, change=change)
            return
        yield replace(row, change=first)
        yield replace(row, row_id=row.row_id + 1, change=change - first)

    def _is_ours(self, row: BookRow) -> bool:
        """Whether a row is of a request and not of a person."""
        at = (row.time_ms, row.symbol, row.side, row.margin)
        return any(
            effect.actor == "api" and (effect.time_ms, effect.symbol, effect.side, effect.margin) == at
            for effect in self.effects
        )
