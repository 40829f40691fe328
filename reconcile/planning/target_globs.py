"""Target globs: ``ADDRESS`` or ``ACCOUNT:ADDRESS`` with shell wildcards, matched against declared addresses."""

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

from reconcile.errors import UsageError
from reconcile.model.account import Address, DesiredAccount
from reconcile.planning.templates import overlap


def matches(glob: str, account: str, address: Address) -> bool:
    """Whether a glob means this declared address."""
    return fnmatchcase(str(address), glob) or fnmatchcase(f"{account}:{address}", glob)


def unmatched(globs: Sequence[str], account: DesiredAccount) -> list[str]:
    """The globs that may mean an address of the account's templates, and mean none of its positions now."""
    known = [target.address for target in account.targets]
    return [
        glob for glob in globs if not any(matches(glob, account.name, each) for each in known) and _means(glob, account)
    ]


def _means(glob: str, account: DesiredAccount) -> bool:
    """Whether a glob means a declared address, or may mean one that a template will declare."""
    if any(matches(glob, account.name, target.address) for target in account.targets):
        return True
    addresses = [str(template.address) for template in account.templates]
    forms = [f"{account.name}:{address}" for address in addresses] + ([] if ":" in glob else addresses)
    return any(_may_mean(glob, form) for form in forms)


def _may_mean(glob: str, template: str) -> bool:
    """Whether the ends of a glob, before and after its wildcards, can match an address of a template."""
    head, *rest = re.split(r"[*?\[]", glob, maxsplit=1)
    if not rest:
        return fnmatchcase(glob, template)
    tail = re.split(r"[*?\]]", glob)[-1]
    return overlap(f"{head}*{tail}", template)


def check(globs: Sequence[str], accounts: Sequence[DesiredAccount]) -> None:
    """Raise UsageError for every glob that matches no declared address."""
    idle = [glob for glob in globs if not any(_means(glob, account) for account in accounts)]
    if idle:
        raise UsageError(
            f"--target {', '.join(idle)}: matches no declared address; give SYMBOL.side or ACCOUNT:SYMBOL.side, "
            "with * for any"
        )
