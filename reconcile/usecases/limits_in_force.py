"""The limits of an account's state file, as a run records them for the plans that come after it."""

from collections.abc import Mapping

from reconcile.exchanges.catalogue import TRAITS
from reconcile.journal.records import RunStarted
from reconcile.model.account import DesiredAccount
from reconcile.model.plan import LooserLimit
from reconcile.model.run_start import LimitsDocument
from reconcile.planning.looser import looser
from reconcile.render.common import limits


def limits_of(desired: DesiredAccount) -> dict[str, object]:
    """The account's policy, its grace (None: the exchange's own) and what it does at a cold start."""
    return {
        **limits.policy(desired.policy),
        "grace_ms": desired.grace_ms,
        "cold_start": desired.cold_start.value,
    }


def recorded(desired: DesiredAccount, overrides: Mapping[str, str], last: RunStarted | None) -> LimitsDocument:
    """The limits of the state file without the overrides, which hold for one run only.

    ``overrides`` are named ``KEY`` or ``ACCOUNT:KEY``. What the file says for such a key is not known to a run, so
    that of the run before stands.
    """
    allowed, earlier = limits_of(desired), {} if last is None else _limits_at(last)
    for name in overrides:
        account, _, key = name.rpartition(":")
        if account in {"", desired.name} and earlier:
            allowed.pop(key, None)
            if key in earlier:
                allowed[key] = earlier[key]
    return allowed


def looser_than_at(last: RunStarted | None, desired: DesiredAccount) -> tuple[LooserLimit, ...]:
    """The limits that allow more than at the account's last run; none if there was no run."""
    earlier = {} if last is None else _limits_at(last)
    grace_ms = TRAITS[desired.exchange].grace_ms
    return looser(earlier, limits_of(desired), grace_ms=grace_ms) if earlier else ()


def _limits_at(last: RunStarted) -> LimitsDocument:
    """From the run's record, or as far as records of earlier versions tell; empty where they do not."""
    start = last.details
    if start.limits is not None:
        return start.limits
    return {} if start.policy is None else {**start.policy, "grace_ms": start.grace_ms}
