"""Every reason to refuse a reviewed plan before its account is looked at for stale steps.

The checks ask which account it is for, whether it was used and whether it is too old. They also ask whether state file
and position mode are still those it was made from. Each is a ``Declined`` with a key of its own.
"""

from collections.abc import Collection
from hashlib import sha256
from pathlib import Path

from reconcile.errors import Declined
from reconcile.files import regular
from reconcile.model.account import DesiredAccount, ObservedAccount
from reconcile.model.plan import AccountPlan, SavedPlan
from reconcile.render.common.values import rfc3339
from reconcile.statefile.files import MAX_BYTES


def account_of(saved: SavedPlan | None, name: str) -> AccountPlan | None:
    """The part of a reviewed plan for one of its accounts; None if there is no reviewed plan."""
    if saved is None:
        return None
    return next(account for account in saved.plan.accounts if account.desired.name == name)


def check_account(saved: AccountPlan, identity: str, *, former: Collection[str] = ()) -> None:
    """Raise Declined unless the plan was made for the account that was reached; ``former`` are names it had before."""
    if saved.identity in former and saved.identity != identity:
        raise Declined(
            "account",
            f"applying the plan: it was made when {saved.desired.name}'s account was known by its key or host "
            f"({saved.identity}); it is known by the exchange's own id now ({identity}); make a new plan",
        )
    if saved.identity != identity and (saved.identity is not None or saved.order):
        raise Declined(
            "account",
            f"applying the plan: it was made for another exchange account than the one that {saved.desired.name}'s "
            "credentials reach; use those it was made with, or make a new plan",
        )


def check_usable(saved: SavedPlan, *, used: Collection[str], now_ms: int) -> None:
    """Raise Declined for a plan that was used before or has expired; ``now_ms`` is Unix time."""
    plan = saved.plan
    if plan.plan_id in used:
        raise Declined("used", f"applying plan {plan.plan_id}: it was used before; make a new plan")
    if now_ms > plan.expires_ms:
        raise Declined(
            "expired", f"applying plan {plan.plan_id}: it expired at {rfc3339(plan.expires_ms)}; make a new plan"
        )


def state_file_agrees(desired: DesiredAccount) -> bool:
    """True where the state file is what the plan was made from, False where there is none at its path.

    The files that it includes belong to it: where it is there, each of them must be. Raises Declined where one differs,
    or is there and cannot be compared.
    """
    found = _agrees(desired.path, desired.sha256)
    for file in desired.includes:
        if not _agrees(file.path, file.sha256) and found:
            raise Declined(
                "stale", f"applying the plan: {file.path}, which {desired.path} includes, is gone; make a new plan"
            )
    return found


def _agrees(path: str, expected: str) -> bool:
    try:
        content = regular.read(Path(path), most=MAX_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise Declined(
            "stale", f"applying the plan: {path} is there but cannot be compared ({error.strerror}); make it readable"
        ) from error
    if sha256(content).hexdigest() != expected:
        raise Declined("stale", f"applying the plan: {path} is not what the plan was made from; make a new plan")
    return True


def check_mode(desired: DesiredAccount, look: ObservedAccount) -> None:
    """Raise Declined where the account is in another position mode than when the plan was made."""
    if look.position_mode is not desired.position_mode:
        raise Declined(
            "position_mode",
            f"applying the plan: the account is in {look.position_mode} mode, the plan was made for "
            f"{desired.position_mode}; make a new plan",
        )
