"""The free balance of each asset by our own arithmetic: what a look proved before a call, and our calls since.

A balance may be read up to ten graces late, so it may lack our last additions. This sum cannot: where only we move
balance, no more than this is free, whatever a read shows.
"""

from dataclasses import dataclass, field
from decimal import Decimal

from reconcile.journal.lanes import NOTHING
from reconcile.journal.records import Intent, IntentStatus
from reconcile.money import ZERO, minus, plus


@dataclass(slots=True)
class FreeBalances:
    """A fold over intents, outcomes and resolves. It grows with assets and lanes."""

    amounts: dict[str, Decimal] = field(default_factory=dict)
    """By asset: what is free if every addition takes effect; none where an earlier version sent the last call."""
    open: dict[str, tuple[str, Decimal]] = field(default_factory=dict)
    """By lane: asset and signed amount of an open call that may yet free balance: a reduction (below 0) by its effect,
    an addition by having done nothing."""

    def intent(self, intent: Intent) -> None:
        """A call is about to be sent."""
        self.open.pop(intent.lane, None)
        asset, amount = intent.asset, intent.amount
        if asset is None or amount is None:
            return
        is_addition = intent.action == "add_margin"
        if intent.free != self.amounts.get(asset):
            self._begin_anew(asset)
        if intent.free is not None:
            self.amounts[asset] = minus(intent.free, amount) if is_addition else intent.free
        self.open[intent.lane] = (asset, amount if is_addition else minus(ZERO, amount))

    def outcome(self, intent: Intent, known: IntentStatus) -> None:
        """The outcome of an open call. An addition that was accepted is not given back if it proves to have done
        nothing: reads since then may have shown its balance as free."""
        asset, signed = self.open.get(intent.lane, ("", ZERO))
        is_addition = signed > 0
        if known.settles or (is_addition and known is IntentStatus.ACCEPTED):
            self.open.pop(intent.lane, None)
        frees = known in NOTHING if is_addition else known is IntentStatus.APPLIED
        if frees and asset in self.amounts:
            self.amounts[asset] = plus(self.amounts[asset], abs(signed))

    def resolved(self, intent: Intent) -> None:
        """A person stated the outcome of an open call; a statement frees no balance."""
        self.open.pop(intent.lane, None)

    def _begin_anew(self, asset: str) -> None:
        """The last look had the word. It may have shown open reductions already, so these are not added later."""
        self.amounts.pop(asset, None)
        shown = [lane for lane, (of, signed) in self.open.items() if of == asset and signed < 0]
        for lane in shown:
            del self.open[lane]
