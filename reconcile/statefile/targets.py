"""One checked position of a state file as a target of the model."""

from decimal import Decimal

from reconcile.model.account import Address, Limit, MarginType, Percent, Target, Tolerance
from reconcile.statefile import bands
from reconcile.statefile.position_table import PositionTable
from reconcile.statefile.problems import ProblemList
from reconcile.statefile.shared_tables import DefaultsTable

_TYPES = {kind.value: kind for kind in MarginType}


def target_of(
    address: Address, declared: PositionTable, defaults: DefaultsTable, shared: Tolerance, book: ProblemList
) -> Target:
    """The target that one checked position declares; ``shared`` is the tolerance of those that name none."""
    band = bands.band(declared, defaults.rounding)
    has_margin = band is not None or declared.isolated_margin is not None
    implied = MarginType.ISOLATED if has_margin else defaults.margin_type
    kind = declared.margin_type or implied
    if kind is None:
        raise ValueError(f"{address} has neither a type nor an amount, and was not checked for it")
    own = declared.tolerance
    return Target(
        address=address,
        margin_type=_TYPES[kind],
        isolated_margin=declared.isolated_margin,
        tolerance=shared if own is None else tolerance_of(own, shared=False),
        line=book.line(("positions", address.symbol, address.side.value)),
        band=band,
        priority=declared.priority,
        auto_add=declared.auto_add,
    )


def tolerance_of(said: Percent | Limit, *, shared: bool) -> Tolerance:
    """A written tolerance; ``shared`` says that it stands in ``[defaults]``."""
    match said:
        case Percent(value=share):
            return Tolerance(value=share, percent=True)
        case Decimal():
            return Tolerance(value=said, percent=False, shared=said if shared else None)
        case _:
            return Tolerance(value=min(said.values()), percent=False, shared=said)
