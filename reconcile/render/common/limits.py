"""The limits of a state file, and the files that it includes, as a plan and a journal name them."""

from collections.abc import Mapping
from decimal import Decimal

from reconcile.model.account import DesiredAccount, Percent, Policy
from reconcile.money import plain


def policy(limits: Policy) -> dict[str, object]:
    """The limits in force, under the names and in the notation of ``[policy]``; what is not limited is left out."""
    values = {name: getattr(limits, name) for name in Policy.__dataclass_fields__}
    return {name: _limit(value) for name, value in values.items() if value is not None}


def includes(desired: DesiredAccount) -> dict[str, dict[str, str]]:
    """The hash of each file that the state file includes, by path; nothing where it includes none."""
    files = {file.path: file.sha256 for file in desired.includes}
    return {"includes": files} if files else {}


def _limit(value: object) -> object:
    match value:
        case Percent():
            return f"{plain(value.value)}%"
        case Decimal():
            return plain(value)
        case Mapping():
            return {asset: plain(amount) for asset, amount in sorted(value.items())}
        case _:
            return value
