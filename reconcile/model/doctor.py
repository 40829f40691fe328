"""Results of ``reconcile doctor``: single checks, each with what to do, and the exchange's facts about a key."""

from dataclasses import dataclass
from enum import StrEnum

from reconcile.model.account import DesiredAccount


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountInspection:
    """The exchange's report on the key, and on account modes that no look shows; None if it does not report one.

    ``told`` says in words what the exchange shows and what it does not. ``mode_notes`` are modes of the account that
    may stand in the way of isolated margin.
    """

    told: str
    moves_margin: bool | None = None
    withdraws: bool | None = None
    bound_to_addresses: bool | None = None
    mode_notes: tuple[str, ...] = ()


class CheckVerdict(StrEnum):
    """How a check ended. ``unknown``: it could not be made, or the exchange does not tell."""

    OK = "ok"
    WARNING = "warning"
    UNKNOWN = "unknown"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check. ``advice`` says what to do, empty where nothing is; ``exit_code`` is 0 unless it failed."""

    name: str
    verdict: CheckVerdict
    finding: str
    advice: str = ""
    exit_code: int = 0


def passed(finding: str) -> Check:
    """A check that found nothing in the way; whoever makes it gives it its name."""
    return Check(name="", verdict=CheckVerdict.OK, finding=finding)


def warned(finding: str, advice: str) -> Check:
    """A check that found something an apply can live with."""
    return Check(name="", verdict=CheckVerdict.WARNING, finding=finding, advice=advice)


def failed(exit_code: int, finding: str, advice: str) -> Check:
    """A check that found what an apply would end with that exit code for."""
    return Check(name="", verdict=CheckVerdict.FAILED, finding=finding, advice=advice, exit_code=exit_code)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountCheckup:
    """All checks of one account. ``identity`` is None where it was not reached."""

    desired: DesiredAccount
    checks: tuple[Check, ...]
    identity: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkup:
    """All checks of one invocation: of the runner, and of each account."""

    runner: tuple[Check, ...]
    accounts: tuple[AccountCheckup, ...]
