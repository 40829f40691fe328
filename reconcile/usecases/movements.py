"""Movements from the last look of the previous run to the last look of this one, for the journal.

So the journal alone says why margin moved between any two runs, whatever their tolerances. It tells every difference by
our steps and by causes; steps of killed runs and outcomes learnt later are included. The exchange's ledger is read
once, when everything is sent and seen, so no step waits for it. It is read only where our own steps do not tell all. It
costs what the adapter's ``ledgers`` costs. OKX and Bitget need the same few requests for any number of symbols. Binance
needs one for each symbol (weight 1) and one for all, which is what bounds ``MOST_ASKED``. What the ledger was not
asked, or could not say, is told as ``unexplained``.
"""

from collections import defaultdict
from collections.abc import Awaitable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from reconcile.concurrency import interruptible
from reconcile.errors import Containment, Interrupted, ReadFailed, ReconcileError
from reconcile.evidence.explain import Interval, account, accounts, summary
from reconcile.exchanges.base import Reader, lane_of, shares_symbol
from reconcile.journal.state import JournalState
from reconcile.model.account import Address, DesiredAccount, MarginType, ObservedAccount
from reconcile.model.ledger import LedgerRead, LedgerRow
from reconcile.model.reports import MovementSummary
from reconcile.planning.moves import amount_step
from reconcile.protocol.context import Context

MOST_ASKED = 100
"""Of how many symbols a run reads the ledger at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MovementRecord:
    """By address; ``problem`` says what the ledger was not asked."""

    by_address: Mapping[str, MovementSummary] = field(default_factory=dict)
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountInterval:
    """An account's look and journal; what moved since the last look of a run in that journal is to be told."""

    desired: DesiredAccount
    reader: Reader
    state: JournalState
    look: ObservedAccount
    grace_ms: int


class Ledgers(Protocol):
    """A reader of ledgers, with the signature of ``Reader.ledgers``."""

    def __call__(self, symbols: Collection[str], *, since_ms: int) -> Awaitable[Mapping[str, LedgerRead]]:
        """The ledger of each symbol since then. Raises ReadFailed."""


async def moved(context: Context) -> MovementRecord | None:
    """The movements between the last look in the journal and this run's; None without two looks to compare.

    Never raises: the run has ended, and its end is still to be journalled.
    """
    look = context.observer.last
    if look is None:
        return None
    span = AccountInterval(
        desired=context.desired,
        reader=context.writer,
        state=context.journal.state,
        look=look,
        grace_ms=context.grace_ms,
    )

    async def read(symbols: Collection[str], *, since_ms: int) -> Mapping[str, LedgerRead]:
        asked = context.writer.ledgers(symbols, since_ms=since_ms)
        return await interruptible(context.stop, asked, doing="reading why margin moved")

    try:
        with Containment("telling why margin moved", context.trace):
            return await moved_since_the_last_look(span, read)
    except ReconcileError as error:
        return MovementRecord(problem=str(error))


async def moved_since_the_last_look(span: AccountInterval, read: Ledgers) -> MovementRecord | None:
    """The movements since the last look in the journal; None if there is none."""
    since_ms = span.state.margins.live_at_ms
    if since_ms is None:
        return None
    every = list(_intervals(span, since_ms))
    alone = {interval.address: account(interval, ()) for interval in every}
    open_ones = [interval for interval in every if alone[interval.address].shares]
    rows, problem = await _rows(open_ones, read)
    for symbol, found in rows.items():
        intervals = [each for each in every if each.address.symbol == symbol]
        lanes = {lane_of(span.reader.traits, each.address) for each in intervals}
        calls = [call for lane in lanes for call in span.state.calls.get(lane, ())]
        alone.update(accounts(intervals, found, calls=calls))
    by_address = {
        str(each.address): summary(each, told) for each in every if (told := alone[each.address]).ours or told.shares
    }
    return MovementRecord(by_address=by_address, problem=problem)


async def _rows(intervals: Sequence[Interval], read: Ledgers) -> tuple[Mapping[str, tuple[LedgerRow, ...]], str]:
    """The ledger's rows by symbol, and what is missing."""
    symbols = list(dict.fromkeys(interval.address.symbol for interval in intervals))
    if not symbols:
        return {}, ""
    asked = symbols[:MOST_ASKED]
    try:
        ledgers = await read(asked, since_ms=min(interval.rows_since_ms for interval in intervals))
    except Interrupted:
        return {}, "the ledger was not read: asked to stop"
    except ReadFailed as error:
        return {}, f"the ledger could not be read ({error})"
    problems = []
    if len(asked) < len(symbols):
        problems.append(f"the ledger was read for {len(asked)} symbols of {len(symbols)}")
    if not all(ledger.reaches_back for ledger in ledgers.values()):
        problems.append("the exchange's ledger does not reach back to the run before")
    return {symbol: ledger.rows for symbol, ledger in ledgers.items()}, "; ".join(problems)


def _intervals(span: AccountInterval, since_ms: int) -> Iterable[Interval]:
    """Every address that had or has an isolated position, or a step of ours; those that are declared first."""
    history, look = span.state.margins, span.look
    after = {
        str(address): position
        for address, position in look.positions.items()
        if position.is_open and position.margin_type is MarginType.ISOLATED
    }
    declared = [str(target.address) for target in span.desired.targets]
    others = sorted({*history.live, *after, *history.sent} - set(declared))
    places = [
        place for place in (*declared, *others) if place in history.live or place in after or history.sent.get(place)
    ]
    sides: dict[str, set[str]] = defaultdict(set)
    for place in (*history.live, *after):
        sides[Address.parse(place).symbol].add(place)
    for place in places:
        address, position = Address.parse(place), after.get(place)
        seen = history.live.get(place)
        sent = tuple(history.sent.get(place, {}).values())
        asset = position.asset if position is not None else (seen and seen.asset) or _asset_of(sent)
        yield Interval(
            address=address,
            asset=asset,
            before=None if seen is None else seen.isolated_margin,
            after=None if position is None else position.isolated_margin,
            since_ms=since_ms,
            until_ms=look.sent_at_ms,
            lag_ms=span.grace_ms,
            step_size=amount_step(span.desired, span.reader.traits, asset),
            shared=len(sides[address.symbol]) > 1 or shares_symbol(look, address.symbol),
            sent=sent,
            resized=position is not None and seen is not None and seen.size not in {None, position.size},
        )


def _asset_of(sent: Iterable[Any]) -> str:
    return next((each.intent.asset for each in sent if each.intent.asset), "")
