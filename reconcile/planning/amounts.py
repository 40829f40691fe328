"""Amounts that a state file gives as one number, or as a table by margin asset."""

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal

from reconcile.model.account import Limit, Policy, Target
from reconcile.model.plan import PlanError
from reconcile.money import plain

_BY_ASSET = ("max_margin", "max_add", "max_total_add", "max_total_reduce", "min_available", "max_day_add")


def limit_for(limit: Limit | None, asset: str) -> Decimal | None:
    """A limit's amount for one asset, None if there is no limit. Raises LookupError if the limit omits the asset."""
    if limit is None or isinstance(limit, Decimal):
        return limit
    if asset not in limit:
        raise LookupError(f"reading a limit: it is given by asset and {asset} is left out; add it")
    return limit[asset]


def amount_errors(policy: Policy, targets: Sequence[Target], assets: Collection[str]) -> tuple[PlanError, ...]:
    """The errors in the amounts of a policy and of targets, given the margin assets of the declared positions.

    One amount for several assets has no meaning, and a table must name every asset.
    """
    limits: dict[str, object] = {key: getattr(policy, key) for key in _BY_ASSET}
    errors = [error for key, limit in limits.items() for error in _amount_errors("policy", key, limit, assets)]
    shared = next((t.tolerance.shared for t in targets if t.tolerance.shared is not None), None)
    errors += _amount_errors("defaults", "tolerance", shared, assets)
    rounding = next((t.band.rounding for t in targets if t.band is not None), None)
    errors += _amount_errors("defaults", "rounding", rounding, assets)
    return tuple(errors)


def _amount_errors(section: str, key: str, limit: object, assets: Collection[str]) -> list[PlanError]:
    names = sorted(assets)
    if isinstance(limit, Decimal) and len(names) > 1:
        table = ", ".join(f"{name} = …" for name in names)
        message = (
            f"reading [{section}]: {key} = {plain(limit)} is one amount, and the declared positions have "
            f"{len(names)} margin assets; write {key} = {{{table}}}"
        )
        return [PlanError(key=key, value=plain(limit), message=message)]
    if not isinstance(limit, Mapping):
        return []
    missing = [name for name in names if name not in limit]
    left_out = "leaves out {0}, a margin asset of the declared positions; add {0} = …"
    return [
        PlanError(key=key, asset=name, message=f"reading [{section}]: {key} {left_out.format(name)}")
        for name in missing
    ]
