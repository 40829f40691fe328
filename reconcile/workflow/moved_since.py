"""What moved at an address between the end of one run and the beginning of the next, by cause: told to the journal.

The journal alone then says why margin moved between two runs. What moved is what the first look of a run shows against
what the journal last recorded; why, the exchange's ledger says, which is read when everything is sent, so that no step
waits for it. What it was not asked, or could not say, the auditor is told as moved from outside.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from reconcile.attribution import UNEXPLAINED, Baseline, Share, attribute, unsettled_rows
from reconcile.audit.movements import TOLERANCE
from reconcile.basis import shares_symbol
from reconcile.context import Context
from reconcile.diff import amount_step
from reconcile.errors import Interrupted, ReadFailed
from reconcile.exchanges.base import Reader, lane_of
from reconcile.journal.records import Noted
from reconcile.journal.state import JournalState
from reconcile.ledger import LedgerRow
from reconcile.model import Address, DesiredAccount, MarginType, ObservedAccount, Target
from reconcile.money import ZERO, minus, parse, plain
from reconcile.together import Stop, until
from reconcile.witness import CLOCK_AHEAD_MS
from reconcile.workflow.explaining import MOST_EXPLAINED


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moved:
    """One address: what the journal has (``found``), and the isolated margin (of ``asset``) of the look."""

    address: Address
    asset: str
    found: Baseline
    margin: Decimal


class MovedSince:
    """What had moved when a run began; ``tell`` asks why, and journals it."""

    def __init__(self, context: Context, look: ObservedAccount) -> None:
        """Compares the run's first ``look`` with the journal as it is before the run's own steps."""
        self._reader: Reader = context.writer
        self._journal = context.journal
        self._desired = context.desired
        self._look = look
        self._moved = tuple(_moved(context.journal.state, context.desired, look))

    async def tell(self, stop: Stop) -> None:
        """Journal the causes as far as the ledger names them; nothing where nothing moved. Raises JournalError."""
        if not self._moved:
            return
        try:
            details = await until(stop, self._explained(), doing="reading why margin moved")
        except Interrupted:
            return
        if details:
            await self._journal.append(Noted(what="moved_since", details=details), durable=False)

    async def _explained(self) -> dict[str, Any]:
        """By address; of the first ``MOST_EXPLAINED`` symbols, up to the first whose ledger cannot be read."""
        found: dict[str, Any] = {}
        symbols = list(dict.fromkeys(moved.address.symbol for moved in self._moved))
        for symbol in symbols[:MOST_EXPLAINED]:
            several = [moved for moved in self._moved if moved.address.symbol == symbol]
            try:
                ledger = await self._reader.ledger(symbol, since_ms=min(moved.found.since_ms for moved in several))
            except ReadFailed:
                break
            for moved in several:
                found[str(moved.address)] = _told(moved, self._shares(moved, ledger.rows))
        return found

    def _shares(self, moved: _Moved, rows: Sequence[LedgerRow]) -> tuple[Share, ...]:
        """The causes by the rows up to the look; by somewhat later ones too, where only they explain everything: when
        the exchange looked is not known to the millisecond."""
        sent_ms = self._look.sent_at_ms
        upto, later = (self._by_rows(moved, rows, until_ms=ms) for ms in (sent_ms, sent_ms + CLOCK_AHEAD_MS))
        return later if _is_open(upto) and not _is_open(later) else upto

    def _by_rows(self, moved: _Moved, rows: Sequence[LedgerRow], *, until_ms: int) -> tuple[Share, ...]:
        known = [row for row in rows if row.time_ms <= until_ms]
        address, lane = moved.address, lane_of(self._reader.traits, moved.address)
        step_size = amount_step(self._desired, self._reader.traits, moved.asset)
        return attribute(
            known,
            moved.found,
            address,
            minus(moved.margin, moved.found.expected),
            shared=shares_symbol(self._look, address.symbol),
            unsettled=unsettled_rows(self._journal.state, known, address, lane, step_size=step_size),
        )


def _moved(state: JournalState, desired: DesiredAccount, look: ObservedAccount) -> Iterator[_Moved]:
    """The addresses that are not as the journal has them, within the tolerance; declared ones first."""
    declared = {str(target.address): target for target in desired.targets}
    listed = {str(address) for address in look.positions}
    known = {*state.live, *state.moved_later}
    for place in [place for place in (*declared, *sorted(listed - declared.keys())) if place in known]:
        address, target = Address.parse(place), declared.get(place)
        found, position = _recorded(state, place), look.positions.get(address)
        isolated = position is not None and position.is_open and position.margin_type is MarginType.ISOLATED
        margin = position.isolated_margin if position is not None and isolated else ZERO
        asset = position.asset if position is not None else str(state.live.get(place, {}).get("asset", ""))
        if found is not None and abs(minus(margin, found.expected)) > _tolerated(target, found.expected, asset):
            yield _Moved(address=address, asset=asset, found=found, margin=margin)


def _recorded(state: JournalState, place: str) -> Baseline | None:
    """What the journal last has as live there: at the end of a run, or by a step of ours since. None: not for sure."""
    move = state.moves.get(place)
    if place in state.moved_later:
        left = state.moved_later[place]
        if left is None or move is None:
            return None
        return Baseline(expected=parse(left[0]), since_ms=move.signed_ms - CLOCK_AHEAD_MS, move=move)
    seen, at_ms = state.live.get(place), state.live_at_ms
    if seen is None or at_ms is None:
        return None
    since_ms = at_ms - CLOCK_AHEAD_MS
    is_near = move is not None and move.effect_ms >= since_ms
    if move is not None and is_near:
        since_ms = min(since_ms, move.signed_ms - CLOCK_AHEAD_MS)
    return Baseline(expected=parse(seen["isolated_margin"]), since_ms=since_ms, move=move if is_near else None)


def _tolerated(target: Target | None, expected: Decimal, asset: str) -> Decimal:
    """What may differ before it is asked for; the default of a state file where no margin is declared."""
    if target is None or target.isolated_margin is None:
        return expected * TOLERANCE
    return target.tolerance.amount(target.isolated_margin, asset)


def _is_open(shares: Sequence[Share]) -> bool:
    return any(share.cause == UNEXPLAINED for share in shares)


def _told(moved: _Moved, shares: Sequence[Share]) -> dict[str, Any]:
    """As the journal has it: causes in the order of their last row, what has none at the end."""
    dated = sorted(shares, key=lambda share: (share.at_ms is None, share.at_ms or 0))
    return {
        "from": plain(moved.found.expected),
        "to": plain(moved.margin),
        "causes": [{"cause": str(share.cause), "amount": plain(share.amount), "at_ms": share.at_ms} for share in dated],
    }
