"""Values of a sandbox account, replaced and never changed.

Every value is frozen, so a snapshot of an account is a handful of shallow dict copies. A stale read costs no more than
a fresh one. Words are the sandbox's own: margin types are ``isolated`` and ``crossed``, sides ``long``, ``short`` and
``net``; each dialect translates them. Times are the exchange's, in milliseconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from reconcile.money import ZERO

ISOLATED = "isolated"
CROSSED = "crossed"
HEDGE = "hedge"
ONE_WAY = "one-way"

Key = tuple[str, str, str]
"""A position's place: (symbol, side, margin type). OKX may hold both types of one instrument and side at once."""


class Refusal(StrEnum):
    """Every way the account rules can say no; each dialect has its own code for each."""

    AMOUNT = "amount"  # zero, or not a number that can be moved
    NO_SYMBOL = "no_symbol"
    SIDE = "side"  # the side does not fit the account's position mode
    CROSSED = "crossed"  # margin moves only into and out of isolated positions
    NO_POSITION = "no_position"
    FUNDS = "funds"  # more than the free balance
    REMOVABLE = "removable"  # more than may be taken out
    SAME_TYPE = "same_type"
    MULTI_ASSETS = "multi_assets"
    OPEN_ORDERS = "open_orders"
    OPEN_POSITION = "open_position"
    NEGATIVE = "negative"  # it would leave a wallet below zero


class Denied(Exception):
    """The account rules said no, and nothing changed; ``why`` is one of a closed set."""

    def __init__(self, why: Refusal, detail: str = "") -> None:
        super().__init__(detail or why.value)
        self.why = why


class BooksBroken(RuntimeError):
    """An invariant of the sandbox's own books does not hold: a bug of the sandbox, never a refusal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskTier:
    """One bracket of a symbol, by notional value. ``mmr`` is the maintenance rate, ``cum`` the maintenance deduction
    that makes the brackets join (``brackets`` computes it)."""

    floor: Decimal
    cap: Decimal
    mmr: Decimal
    leverage: int
    cum: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """One symbol: what it settles in, its mark price and its brackets, lowest first.

    ``contract_value`` is how much of the base (linear) or of the quote (inverse) one unit of size is worth.
    """

    symbol: str
    asset: str
    mark: Decimal
    tiers: tuple[RiskTier, ...]
    contract_value: Decimal = Decimal(1)
    inverse: bool = False
    taker_fee: Decimal = Decimal("0.0005")
    tick: Decimal = Decimal("0.01")
    base: str = ""
    quote: str = ""

    def notional(self, size: Decimal, price: Decimal) -> Decimal:
        """The value of a position at a price, in the margin asset; never negative."""
        quantity = abs(size) * self.contract_value
        return quantity / price if self.inverse else quantity * price

    def profit(self, position: "BookPosition", price: Decimal) -> Decimal:
        """The position's profit if it were closed at a price, in the margin asset."""
        quantity = abs(position.size) * self.contract_value * position.direction
        return quantity * (1 / position.entry - 1 / price) if self.inverse else quantity * (price - position.entry)

    def tier(self, notional: Decimal) -> RiskTier:
        """The bracket that holds a notional value."""
        for tier in self.tiers:
            if notional <= tier.cap:
                return tier
        return self.tiers[-1]


def brackets(rows: list[tuple[str, str, int]]) -> tuple[RiskTier, ...]:
    """Tiers from (cap, maintenance rate, highest leverage), lowest first; the deduction follows from continuity.

    ``cum_n = floor_n * (mmr_n - mmr_{n-1}) + cum_{n-1}`` (Binance support, liquidation price of USD-M contracts).
    """
    tiers: list[RiskTier] = []
    floor, cum, before = ZERO, ZERO, None
    for cap, rate, leverage in rows:
        mmr = Decimal(rate)
        if before is not None:
            cum += floor * (mmr - before)
        tiers.append(RiskTier(floor=floor, cap=Decimal(cap), mmr=mmr, leverage=leverage, cum=cum))
        floor, before = Decimal(cap), mmr
    return tuple(tiers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """The settings of a symbol in one account. ``auto_add`` names the sides whose margin the exchange tops up."""

    margin_type: str = CROSSED
    leverage: Decimal = Decimal(20)
    open_orders: int = 0
    algo_orders: int = 0
    auto_add: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BookPosition:
    """One open position. ``size`` is unsigned for long and short, signed for net. ``margin`` is the amount allocated to
    an isolated position, without profit; 0 on crossed. ``identity`` is new whenever a position is opened from flat."""

    symbol: str
    side: str
    margin_type: str
    size: Decimal
    entry: Decimal
    margin: Decimal
    leverage: Decimal
    identity: int
    opened_ms: int
    updated_ms: int

    @property
    def key(self) -> Key:
        """Its place in the account."""
        return (self.symbol, self.side, self.margin_type)

    @property
    def direction(self) -> int:
        """+1 for a position that gains when the price rises, else -1."""
        if self.side == "net":
            return 1 if self.size > 0 else -1
        return 1 if self.side == "long" else -1


def flat_position(key: Key, *, entry: Decimal = ZERO) -> BookPosition:
    """A position of size 0, for an exchange that shows a row for every side."""
    symbol, side, kind = key
    return BookPosition(
        symbol=symbol,
        side=side,
        margin_type=kind,
        size=ZERO,
        entry=entry,
        margin=ZERO,
        leverage=Decimal(1),
        identity=0,
        opened_ms=0,
        updated_ms=0,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class BookRow:
    """One movement in the account's history.

    ``change`` is what the position's margin gained (0 for a crossed position). ``paid`` is what the account gained from
    outside (funding, realised profit). ``balance`` is the free (cross) wallet afterwards, ``margin`` the position's
    margin afterwards. ``cause``: add, reduce, funding, fill, auto, leverage.
    """

    row_id: int
    time_ms: int
    symbol: str
    side: str
    margin_type: str
    asset: str
    cause: str
    change: Decimal
    paid: Decimal
    balance: Decimal
    margin: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class BookEffect:
    """One change of a position's margin, with its actor and its request: the oracle of the tests.

    ``actor``: ``api`` (a request that was delivered), ``human`` or ``exchange``. ``request`` is the number of the
    request, ``delivery`` that of its delivery (2 if a middlebox repeated it). Both are 0 without a request.
    ``cause`` is a ledger cause, or ``type`` for a change of margin type (change 0).
    """

    time_ms: int
    symbol: str
    side: str
    margin_type: str
    change: Decimal
    margin: Decimal
    identity: int
    actor: str
    cause: str
    request: int = 0
    delivery: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestOrigin:
    """The origin of an effect: see ``BookEffect``."""

    actor: str = "exchange"
    request: int = 0
    delivery: int = 0


EXCHANGE = RequestOrigin()
HUMAN = RequestOrigin(actor="human")


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """An account as it was at one moment; never write to the mappings.

    ``modes`` are the position modes of the scopes (see ``Rules.scope``) that differ from ``position_mode``.
    """

    time_ms: int
    position_mode: str
    multi_assets: bool
    modes: Mapping[str, str] = field(default_factory=dict)
    wallet: Mapping[str, Decimal] = field(repr=False)
    cross: Mapping[str, Decimal] = field(repr=False)
    markets: Mapping[str, Market] = field(repr=False)
    settings: Mapping[str, Setting] = field(repr=False)
    positions: Mapping[Key, BookPosition] = field(repr=False)
