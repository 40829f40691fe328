"""The words of the program as values: addresses, targets, positions, desired and observed accounts.

Everything is frozen. Amounts are Decimals in the margin asset. Times are the exchange's, in ms, unless a name differs.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from reconcile.errors import ReadFailed
from reconcile.model.by_symbol import BySymbol
from reconcile.model.included import IncludedFile, SettingOrigin
from reconcile.model.measures import Band
from reconcile.model.risk import Risk
from reconcile.money import ZERO


class MarginType(StrEnum):
    """Whether a position stands on its own margin or on the whole account's."""

    ISOLATED = "isolated"
    CROSSED = "crossed"


class Side(StrEnum):
    """``long`` and ``short`` in hedge mode, ``net`` in one-way mode."""

    LONG = "long"
    SHORT = "short"
    NET = "net"


class PositionMode(StrEnum):
    """Whether one symbol can hold a long and a short at once (``hedge``) or only one position (``one-way``)."""

    HEDGE = "hedge"
    ONE_WAY = "one-way"

    @property
    def sides(self) -> tuple[Side, ...]:
        """The sides a position can have in this mode."""
        return (Side.NET,) if self is PositionMode.ONE_WAY else (Side.LONG, Side.SHORT)


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """``SYMBOL.side``: one position slot of an account. The symbol is the exchange's own id, never translated."""

    symbol: str
    side: Side

    def __hash__(self) -> int:
        """Of the symbol alone: addresses are looked up more than anything else, and a symbol has few sides."""
        return hash(self.symbol)

    def __str__(self) -> str:
        return f"{self.symbol}.{self.side}"

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read ``SYMBOL.side``; raises ValueError when it is not one."""
        symbol, dot, side = text.rpartition(".")
        if not dot or not symbol:
            raise ValueError(f"{text!r} is not an address like BTCUSDT.long")
        return cls(symbol, Side(side))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """How far live may be from declared and still count as equal: an amount, or a share of the declared margin.

    ``shared`` is set where an amount came from ``[defaults]``. It is that number, which fits one margin asset only, or
    a table by asset (then ``value`` is its smallest); None where the position gave its own amount, or a share.
    """

    value: Decimal
    percent: bool
    shared: Decimal | Mapping[str, Decimal] | None = None

    def amount(self, declared: Decimal, asset: str | None = None) -> Decimal:
        """The tolerance in the margin asset; ``asset`` picks from a table, and what it leaves out gets ``value``."""
        if self.shared is not None and asset is not None and isinstance(self.shared, Mapping):
            return self.shared.get(asset, self.value)
        return declared * self.value / 100 if self.percent else self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One declared address.

    ``isolated_margin`` declares an amount, ``band`` bounds of a risk measure; with neither margin is left alone.
    ``priority`` 1 is first where the free balance does not cover all additions, None last. ``template`` is the entry
    with ``*`` that made it. ``auto_add``: whether the exchange may add margin by itself; None leaves that alone.
    """

    address: Address
    margin_type: MarginType
    isolated_margin: Decimal | None
    tolerance: Tolerance
    line: int | None = None
    band: Band | None = None
    priority: int | None = None
    template: str | None = None
    auto_add: bool | None = None

    @property
    def declares_margin(self) -> bool:
        """Whether margin may be moved for it at all."""
        return self.isolated_margin is not None or self.band is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Percent:
    """A share, as written: 5 means 5 %."""

    value: Decimal

    def of(self, amount: Decimal) -> Decimal:
        """That share of an amount."""
        return amount * self.value / 100


Limit = Decimal | Mapping[str, Decimal]
"""An amount for the one margin asset there is, or one per asset."""


class Unmanaged(StrEnum):
    """The policy for open isolated positions that no file declares."""

    REPORT = "report"
    IGNORE = "ignore"
    REFUSE = "refuse"


class WhenShort(StrEnum):
    """Which additions go first where the free balance does not cover all of them."""

    REFUSE = "refuse"  # none: the account is refused
    NEAREST_FIRST = "nearest-first"  # what is nearest to liquidation, up to its floor, then again up to its target
    PRIORITY = "priority"  # by the positions' own priority, 1 first
    PRO_RATA = "pro-rata"  # all of them, each by its need


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The limits of ``[policy]`` (CONTRACT section 1); None means not limited."""

    allow_reduce: bool = False
    min_liquidation_distance: Percent | None = Percent(value=Decimal(5))
    max_margin: Percent | Limit | None = Percent(value=Decimal(100))
    max_add: Limit | None = None
    max_total_add: Limit | None = None
    max_total_reduce: Limit | None = None
    max_changes: int | None = None
    min_available: Limit | None = None
    unmanaged: Unmanaged = Unmanaged.REPORT
    when_short: WhenShort = WhenShort.REFUSE
    max_day_add: Limit | None = None
    max_day_changes: int | None = None


class ColdStart(StrEnum):
    """The first act of a run whose journal may lack calls that were sent before."""

    WAIT = "wait"  # the cold fence: until a request from before the run can no longer take effect
    TRUST = "trust"  # nothing: only where no other program can have sent anything


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredAccount:
    """One state file, read and checked.

    ``endpoint`` is ``live``, ``testnet``, ``sandbox`` or a URL. ``amount_step`` and ``grace_ms`` are None where the
    exchange's own default holds. ``uid`` is the exchange's own id of the account that must answer, None for any;
    ``region`` the exchange's site, None for its first one. ``lines`` maps a dotted key to its 1-based line, for
    messages that point at it. ``templates`` are the entries whose symbols hold ``*``, for open isolated positions that
    ``targets`` does not name. ``includes`` are the files whose limits and defaults hold here too; ``settings`` says of
    each limit and default where it stands, empty where nothing is included.
    """

    name: str
    exchange: str
    position_mode: PositionMode
    endpoint: str
    product: str | None
    credentials: str
    targets: tuple[Target, ...]
    policy: Policy
    amount_step: Decimal | None
    grace_ms: int | None
    path: str
    sha256: str
    lines: Mapping[str, int] = field(default_factory=dict)
    cold_start: ColdStart = ColdStart.WAIT
    uid: str | None = None
    region: str | None = None
    templates: tuple[Target, ...] = ()
    includes: tuple[IncludedFile, ...] = ()
    settings: tuple[SettingOrigin, ...] = ()

    @property
    def types(self) -> BySymbol[MarginType]:
        """Each declared symbol, and each address, with its declared margin type."""
        return BySymbol({target.address: target.margin_type for target in self.targets})

    @property
    def measured(self) -> frozenset[str]:
        """The symbols with a declared risk measure."""
        return frozenset(target.address.symbol for target in self.targets if target.band is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """One position slot as the exchange shows it. ``size`` 0 is a flat slot.

    ``size`` is unsigned for long and short, signed for net, in the exchange's unit. ``isolated_margin`` is the amount
    allocated without unrealised profit; 0 on crossed. ``identity`` changes when a position is closed and reopened,
    None where the exchange does not show it. ``risk`` is None where it cannot be computed (flat, crossed, no tiers).
    """

    address: Address
    asset: str
    margin_type: MarginType
    isolated_margin: Decimal
    size: Decimal
    mark_price: Decimal | None = None
    liquidation_price: Decimal | None = None
    notional: Decimal = ZERO
    auto_add: bool = False
    identity: str | None = None
    risk: Risk | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is anything in this slot."""
        return self.size != 0

    def liquidation_at(self, margin: Decimal) -> Decimal | None:
        """The liquidation price with that isolated margin; None when there is none or it cannot be computed."""
        return None if self.risk is None else self.risk.liquidation_price(margin)

    def distance_to(self, price: Decimal | None) -> Decimal | None:
        """How far the mark price is from a liquidation price, as a share of the mark price (0.05 is 5 %).

        ``|mark - price| / mark`` while the position lives, below 0 once the price has been passed; None without one.
        """
        if price is None or not self.mark_price:
            return None
        is_long = self.address.side is Side.LONG or (self.address.side is Side.NET and self.size > 0)
        gap = self.mark_price - price if is_long else price - self.mark_price
        return gap / self.mark_price


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolState:
    """The state that belongs to a symbol and not to a position.

    ``margin_type`` is None where the exchange keeps none for a flat symbol (OKX). ``open_orders`` is None when not
    asked for. ``asset`` is the margin asset.
    """

    symbol: str
    asset: str
    margin_type: MarginType | None
    open_orders: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedAccount:
    """The account as read. ``sent_at_ms`` is when the first of its requests was sent, at the earliest it can have been.

    ``account_block`` is a reason why nothing isolated can be managed in this account (None: it can); ``available`` is
    free balance by asset (an asset that is left out has none). ``positions`` holds every slot the exchange listed;
    ``symbols`` every symbol that is declared, with its asset and type; an unknown symbol is missing there.
    ``instruments`` names every instrument that the exchange lists, as far as it was read. ``unusable`` maps an address
    to why what is shown of it cannot be used; ``unknown_balances`` are the assets whose free balance is not told.
    """

    sent_at_ms: int
    position_mode: PositionMode
    uid: str | None
    multi_assets: bool
    account_block: str | None
    available: Mapping[str, Decimal]
    positions: Mapping[Address, Position]
    symbols: Mapping[str, SymbolState]
    instruments: Collection[str] = ()
    unusable: Mapping[Address, str] = field(default_factory=dict)
    unknown_balances: Collection[str] = ()

    def slot(self, address: Address) -> Position | None:
        """The position at an address, None where the exchange shows none.

        Raises ReadFailed where what it shows cannot be used: that proves nothing about the address.
        """
        problem = self.unusable.get(address)
        if problem is not None:
            raise ReadFailed(f"looking at {address}: {problem}", again=True)
        return self.positions.get(address)
