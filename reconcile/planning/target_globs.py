"""Target globs: ``ADDRESS`` or ``ACCOUNT:ADDRESS`` with shell wildcards, matched against declared addresses."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from reconcile.errors import UsageError
from reconcile.model.account import Address, DesiredAccount


def matches(glob: str, account: str, address: Address) -> bool:
    """Whether a glob means this declared address."""
    return fnmatchcase(str(address), glob) or fnmatchcase(f"{account}:{address}", glob)


def check(globs: Sequence[str], accounts: Sequence[DesiredAccount]) -> None:
    """Raise UsageError for every glob that matches no declared address."""
    idle = [
        glob
        for glob in globs
        if not any(matches(glob, account.name, target.address) for account in accounts for target in account.targets)
    ]
    if idle:
        raise UsageError(
            f"--target {', '.join(idle)}: matches no declared address; give SYMBOL.side or ACCOUNT:SYMBOL.side, "
            "with * for any"
        )
