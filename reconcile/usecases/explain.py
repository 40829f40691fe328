"""Explain a difference from the margin that we last left, for ``reconcile drift`` and for the reasons of a plan."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from reconcile.errors import ReadFailed
from reconcile.evidence.attribution import UNEXPLAINED, Baseline, baseline
from reconcile.evidence.explain import Interval, accounts, causes_of
from reconcile.evidence.verdict import live_margin
from reconcile.exchanges.base import Reader, lane_of, open_addresses, shares_symbol
from reconcile.journal.state import JournalState
from reconcile.model.account import Address, DesiredAccount, ObservedAccount, Target
from reconcile.model.drift import Drift, Share
from reconcile.model.holds import Hold
from reconcile.model.plan import AccountPlan, Entry, MoveMargin, Status
from reconcile.money import ZERO, minus
from reconcile.planning.bands import outside
from reconcile.planning.moves import amount_step
from reconcile.render.drift import moved, redeclared
from reconcile.usecases.account import grace_ms

MOST_EXPLAINED = 5
"""The most drifted addresses of an account that a plan reads the ledger for: planning's reads stay constant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One account as it is to be explained: its look, its journal, and the ledger that can be asked.

    ``held`` are the addresses of which this look tells nothing, with the reason.
    """

    reader: Reader
    desired: DesiredAccount
    state: JournalState
    look: ObservedAccount
    held: Mapping[Address, Hold] = field(default_factory=dict)

    def baseline(self, address: Address) -> Baseline | None:
        """The margin that we last left there; None for never."""
        return baseline(self.state, address, lane_of(self.reader.traits, address))

    async def causes(self, address: Address) -> tuple[Share, ...]:
        """Explain a difference from the baseline at an address by the ledger; raises ReadFailed.

        Where a row may belong to either side of the symbol, both sides are explained together.
        """
        places, lane = [address], lane_of(self.reader.traits, address)
        if lane == address.symbol:
            places += [place for place in open_addresses(self.look, address.symbol) if place != address]
        intervals = [each for place in places if (each := self._interval(place)) is not None]
        since_ms = min(interval.rows_since_ms for interval in intervals)
        ledger = await self.reader.ledger(address.symbol, since_ms=since_ms)
        return causes_of(accounts(intervals, ledger.rows, calls=self.state.calls.get(lane, ()))[address])

    def _interval(self, address: Address) -> Interval | None:
        """From the baseline until the look; None without a baseline."""
        found, position = self.baseline(address), self.look.positions.get(address)
        if found is None:
            return None
        asset, seen = self.look.symbols[address.symbol].asset, self.state.margins.live.get(str(address))
        return Interval(
            address=address,
            asset=asset,
            before=found.before,
            after=live_margin(position),
            since_ms=found.since_ms,
            until_ms=self.look.sent_at_ms,
            lag_ms=grace_ms(self.desired, self.reader),
            step_size=amount_step(self.desired, self.reader.traits, asset),
            shared=shares_symbol(self.look, address.symbol),
            sent=found.sent,
            resized=position is not None and seen is not None and seen.size not in {None, position.size},
        )


async def drift_of(reading: Reading, target: Target) -> Drift | None:
    """One address's drift with its causes; None where there is neither a position nor anything we ever applied.

    Asks the ledger only where there is a difference to explain. Raises ReadFailed.
    """
    address = target.address
    symbol = reading.look.symbols.get(address.symbol)
    position = reading.look.positions.get(address)
    live = live_margin(position)
    found = reading.baseline(address)
    if not target.declares_margin or symbol is None or (found is None and live is None):
        return None
    observed = ZERO if live is None else live
    declared = observed if target.isolated_margin is None else target.isolated_margin
    expected = declared if found is None else found.expected
    amount = minus(observed, expected)
    tolerance = target.tolerance.amount(expected if target.isolated_margin is None else declared, symbol.asset)
    left_band = outside(target, position) if position is not None and live is not None else ""
    causes: tuple[Share, ...] = ()
    if amount != 0:
        causes = (Share(cause=UNEXPLAINED, amount=amount),)
        if found is not None:
            causes = await reading.causes(address)
    return Drift(
        address=address,
        asset=symbol.asset,
        baseline="declared" if found is None else "applied",
        expected=expected,
        observed=observed,
        drift=amount,
        tolerance=tolerance,
        is_beyond=address not in reading.held and (abs(amount) > tolerance or bool(left_band)),
        left_band=left_band,
        causes=causes,
        line=target.line,
        held=reading.held.get(address),
    )


async def with_reasons(reader: Reader, state: JournalState, plan: AccountPlan) -> AccountPlan:
    """The plan with the reason of each change: declared anew, drifted since we last applied and why, or both.

    A change of what we never applied has none. A ledger that cannot be read costs the causes, not the plan.
    """
    if plan.observed is None or plan.errors:
        return plan
    reading = Reading(reader=reader, desired=plan.desired, state=state, look=plan.observed)
    left = MOST_EXPLAINED
    entries = []
    for entry in plan.entries:
        reason = ""
        if entry.status is Status.CHANGE and any(isinstance(step, MoveMargin) for step in entry.steps):
            reason, asked = await _reason(reading, entry, plan.observed_wall_ms, may_ask=left > 0)
            left -= asked
        entries.append(replace(entry, reason=reason) if reason else entry)
    return replace(plan, entries=tuple(entries))


async def _reason(reading: Reading, entry: Entry, now_ms: int | None, *, may_ask: bool) -> tuple[str, bool]:
    """The reason, and whether the ledger was asked for it."""
    found, position, target = reading.baseline(entry.address), entry.observed, entry.target
    if found is None or position is None or target is None or not target.declares_margin:
        return "", False
    declared = found.expected if target.isolated_margin is None else target.isolated_margin
    tolerance = target.tolerance.amount(declared, position.asset)
    parts = [entry.reason] if target.band is not None and entry.reason else []
    if target.isolated_margin is not None and abs(minus(target.isolated_margin, found.expected)) > tolerance:
        parts.append(redeclared(found.expected, target.isolated_margin))
    amount = minus(position.isolated_margin, found.expected)
    if amount == 0 or ((parts or target.band is not None) and abs(amount) <= tolerance):
        return "; ".join(parts), False
    if not may_ask:
        return "; ".join([*parts, f"drifted {moved(amount, (), now_ms=None)}: see reconcile drift"]), False
    try:
        causes = await reading.causes(entry.address)
        drifted = moved(amount, causes, now_ms=now_ms)
    except ReadFailed:
        drifted = f"{moved(amount, (), now_ms=None)}: the ledger could not be read"
    return "; ".join([*parts, f"drifted {drifted}"]), True
