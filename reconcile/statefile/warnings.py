"""Warnings about valid state files that may still be a mistake: keys that may be of one account."""

from collections.abc import Iterator, Sequence

from reconcile.connect import endpoints
from reconcile.errors import Problem
from reconcile.exchanges.catalogue import TRAITS
from reconcile.model.account import DesiredAccount
from reconcile.model.traits import environment


def several_keys(accounts: Sequence[DesiredAccount]) -> Iterator[Problem]:
    """One warning for each exchange, product and environment whose files use several keys and pin not every account.

    Two keys of one account would each add what is missing. Only the exchange can tell; pins tell it to this check.
    """
    groups: dict[tuple[str, str, str | None], list[DesiredAccount]] = {}
    for account in accounts:
        kind = endpoints.same_place(account.exchange, account.endpoint)
        if kind != "sandbox":  # each name has a sandbox of its own
            groups.setdefault((account.exchange, environment(kind), account.product), []).append(account)
    for (exchange, where, product), group in groups.items():
        prefixes = sorted({account.credentials for account in group})
        loose = [account for account in group if account.uid is None]
        if len(prefixes) > 1 and loose:
            place = " ".join(filter(None, (TRAITS[exchange].title, where, product)))
            yield Problem(
                file=loose[0].path,
                line=loose[0].lines.get("account"),
                key="account.uid",
                message=f"{len(group)} files for {place} use "
                f"the keys {_listed(prefixes)}, and {len(loose)} of them pin no account; two keys of one account would "
                "move its margin twice (plan and apply ask the exchange and refuse such files); expected uid in each",
            )


def _listed(prefixes: Sequence[str], most: int = 10) -> str:
    more = f" and {len(prefixes) - most} more" if len(prefixes) > most else ""
    return ", ".join(prefixes[:most]) + more
