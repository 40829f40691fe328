"""Drift, account by account."""

from typing import Literal

from reconcile.render.schema.plan import ErrorModel
from reconcile.render.schema.types import Amount, ExitCode, Model, Time


class CauseModel(Model):
    """What one cause did; ``at`` is when it last did, where that says something."""

    cause: str
    amount: Amount
    at: Time | None = None


class DriftEntryModel(Model):
    """One address; ``drift`` is observed minus expected, and what its causes add up to.

    ``held`` says why nothing can be concluded from what was observed, null where it can.
    """

    address: str
    asset: str
    baseline: Literal["applied", "declared"]
    expected: Amount
    observed: Amount
    drift: Amount
    tolerance: Amount
    beyond_tolerance: bool
    held: str | None
    held_by: str | None
    held_until: Time | None
    left_band: str | None = None
    causes: tuple[CauseModel, ...]


class NotComparedModel(Model):
    """A declared address without a drift to tell; ``blocked_by`` is null where there is nothing to compare.

    ``held`` is as for a drift.
    """

    address: str
    blocked_by: Literal["instrument", "unusable"] | None
    reason: str
    held: str | None
    held_by: str | None
    held_until: Time | None


class AccountDriftModel(Model):
    """One account of a drift."""

    account: str
    exit_code: ExitCode
    errors: tuple[ErrorModel, ...]
    observed_at: Time | None
    entries: tuple[DriftEntryModel, ...]
    not_compared: tuple[NotComparedModel, ...] = ()


class DriftModel(Model):
    """``reconcile.drift/1``."""

    format: Literal["reconcile.drift/1"]
    accounts: tuple[AccountDriftModel, ...]
