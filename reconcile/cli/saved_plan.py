"""A saved plan as ``apply`` and ``show`` read it: what no state file could have said is refused here too."""

import re

from reconcile.connect import endpoints
from reconcile.errors import Declined, InputError
from reconcile.exchanges.catalogue import TRAITS
from reconcile.model.account import DesiredAccount
from reconcile.model.plan import SavedPlan
from reconcile.statefile.fields import NAME_PATTERN, PREFIX_PATTERN

LONGEST_GRACE_MS = 3_600_000


def load(text: str, *, digest: str | None, doing: str) -> SavedPlan:
    """The plan in a saved document; ``digest`` is the one that was reviewed, None where none was named.

    Raises InputError for what is no plan, and Declined (key ``digest``) for one that was changed or is not the reviewed
    one. ``doing`` leads that message.
    """
    from reconcile.render.plan.saved import loads_plan  # noqa: PLC0415 - only a saved plan pays for pydantic

    saved = loads_plan(text)
    if digest is not None and digest != saved.digest:
        raise Declined("digest", f"{doing}: its digest is {saved.digest}, not the reviewed one; review it again")
    for account in saved.plan.accounts:
        _check_place(account.desired)
    return saved


def _check_place(account: DesiredAccount) -> None:
    """A saved plan is outside data: what a state file's reader would refuse is refused here too."""
    doing = f"reading the saved plan: account {account.name}"
    if account.exchange not in TRAITS:
        raise InputError(f"{doing}: exchange {account.exchange!r} is not known; expected one of {', '.join(TRAITS)}")
    checks = {
        "name": re.fullmatch(NAME_PATTERN, account.name),
        "prefix of its secrets": re.fullmatch(PREFIX_PATTERN, account.credentials),
        "product": account.product in {None, *TRAITS[account.exchange].products},
        "region": account.region is None
        or endpoints.region_problem(account.exchange, account.endpoint, account.region) is None,
        "grace": account.grace_ms is None or 0 < account.grace_ms <= LONGEST_GRACE_MS,
        "amount step": account.amount_step is None or account.amount_step > 0,
        "state file": "\0" not in account.path,
    }
    for what, is_good in checks.items():
        if not is_good:
            raise InputError(f"{doing}: no state file can have its {what}; make a new plan")
    try:
        endpoints.normal(account.endpoint)
    except ValueError as error:
        raise InputError(f"{doing}: the endpoint {error}") from error
    try:
        endpoints.cold_start(account.endpoint, account.cold_start)
    except ValueError as error:
        raise InputError(f"{doing}: cold_start is {error}") from error
    problem = endpoints.grace_problem(account.exchange, account.endpoint, account.cold_start, account.grace_ms)
    if problem is not None:
        raise InputError(f"{doing}: its grace is {problem}")
