"""The content of the report's page: points and marks of each address, movements and totals, open steps.

Times are Unix milliseconds.
"""

from dataclasses import dataclass
from decimal import Decimal

from reconcile.model.exports import MovementTotal
from reconcile.model.measures import MeasureBounds
from reconcile.model.reports import ChainVerdict, LogRow, Movement


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """An isolated margin as it was seen, by the runner's clock; what is not known is None.

    ``tolerance`` is what the margin may differ by from what is declared. ``is_closed``: no isolated position was there.
    ``band`` is the risk measure that is declared instead of an amount.
    """

    at_ms: int
    margin: Decimal
    declared: Decimal | None = None
    tolerance: Decimal | None = None
    is_closed: bool = False
    distance: Decimal | None = None
    band: MeasureBounds | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Something worth a sign in the picture: ``kind`` is ``applied``, ``drift`` or ``unclear``."""

    at_ms: int
    kind: str
    margin: Decimal
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressPicture:
    """One address over the period."""

    address: str
    asset: str
    points: tuple[Point, ...]
    marks: tuple[Mark, ...]

    @property
    def closed_ms(self) -> int | None:
        """Since when it has had no isolated position; None while it has one."""
        found = None
        for point in self.points:
            found = None if not point.is_closed else point.at_ms if found is None else found
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenItem:
    """One step whose outcome is not known, as it stands now."""

    address: str
    what: str
    outcome: str
    since: str
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountPicture:
    """One account over the period; ``idle`` are the runs that were refused, failed or cut off before they sent.

    ``totals`` is what the movements add up to by cause, actor and asset.
    """

    account: str
    identity: str
    place: str
    verdict: ChainVerdict
    runs: int
    addresses: tuple[AddressPicture, ...]
    movements: tuple[Movement, ...]
    totals: tuple[MovementTotal, ...]
    idle: tuple[LogRow, ...]
    unresolved: tuple[OpenItem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A period of some accounts; ``since_ms`` None is from the beginning. Times are Unix milliseconds."""

    accounts: tuple[AccountPicture, ...]
    since_ms: int | None
    until_ms: int
    made_ms: int
