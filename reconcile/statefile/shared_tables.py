"""The tables that several accounts may share: ``[defaults]`` and ``[policy]``, and the file that ``include`` names."""

from decimal import Decimal

from pydantic import ConfigDict, Field

from reconcile.model.account import Percent, Policy, Unmanaged, WhenShort
from reconcile.statefile.fields import (
    ByAsset,
    Count,
    Flag,
    MarginTypeName,
    Rounding,
    Share,
    SharedTolerance,
    ShareOrByAsset,
    UnmanagedName,
    Version,
    WhenShortName,
)
from reconcile.statefile.position_table import Table


class DefaultsTable(Table):
    """For every position that does not say it itself."""

    margin_type: MarginTypeName = Field(
        default=None, description="The margin type of positions that name none.", examples=["isolated"]
    )
    tolerance: SharedTolerance = Field(
        default=Percent(value=Decimal("0.5")),
        description="How far live may be from declared and still be in sync; 0.5% where left out. It is a percentage "
        "of the declared margin, an amount, or a table of amounts by margin asset.",
        examples=["0.5%", 1, {"USDT": 5, "BTC": "0.0001"}],
    )
    rounding: Rounding = Field(
        default=None,
        description="Margins computed from a measure are rounded up to a multiple of this: an amount, or a table by "
        "margin asset; left out: to the exchange's own amount step.",
        examples=[5, {"USDT": 5, "BTC": "0.0001"}],
    )


class LimitsTable(Table):
    """What plan and apply may do; what a limit stops is shown in the plan with the limit's name."""

    allow_reduce: Flag = Field(
        default=False, description="Whether margin may be taken out of positions at all.", examples=[False]
    )
    min_liquidation_distance: Share = Field(
        default=Percent(value=Decimal(5)),
        description="No reduction may leave the liquidation price nearer to the mark price; 5% where left out.",
        examples=["5%"],
    )
    max_margin: ShareOrByAsset = Field(
        default=Percent(value=Decimal(100)),
        description="No addition may bring a position's margin above this: a percentage of its notional, an amount, "
        "or a table by margin asset; 100% where left out.",
        examples=["100%", 20000],
    )
    max_add: ByAsset = Field(
        default=None, description="The most that one run may add to one position.", examples=[5000]
    )
    max_total_add: ByAsset = Field(
        default=None,
        description="The most that one run may add to the account, per margin asset; more refuses the whole account.",
        examples=[20000, {"USDT": 20000, "BTC": "0.5"}],
    )
    max_total_reduce: ByAsset = Field(
        default=None,
        description="The most that one run may take out of the account, per margin asset; more refuses the account.",
        examples=[10000],
    )
    max_changes: Count = Field(
        default=None, description="The most changes that one run may make; more refuses the account.", examples=[50]
    )
    min_available: ByAsset = Field(
        default=None, description="The free balance that additions must leave, per margin asset.", examples=[500]
    )
    unmanaged: UnmanagedName = Field(
        default="report",
        description="What to do about open isolated positions that this file does not declare.",
        examples=["report"],
    )
    when_short: WhenShortName = Field(
        default="refuse",
        description="What to do where the free balance does not cover all additions. refuse stops the account; the "
        "others share it: nearest-first serves what is nearest to liquidation, priority goes by priority, and "
        "pro-rata by need.",
        examples=["refuse"],
    )
    max_day_add: ByAsset = Field(
        default=None,
        description="The most that all runs may add to the account in one UTC day of the exchange's time, per margin "
        "asset; more refuses the account.",
        examples=[20000, {"USDT": 20000}],
    )
    max_day_changes: Count = Field(
        default=None,
        description="The most changes that all runs may make in one UTC day of the exchange's time; more refuses the "
        "account.",
        examples=[200],
    )


class IncludedTable(Table):
    """A file that ``include`` names: limits and defaults for several accounts, and nothing else."""

    model_config = ConfigDict(title="reconcile included file")

    version: Version = Field(default=1, description="The version of this format; may be left out.", examples=[1])
    defaults: DefaultsTable = Field(
        default=DefaultsTable(), description="For every position whose own account file does not say it."
    )
    policy: LimitsTable = Field(
        default=LimitsTable(), description="What plan and apply may do; an account file may only tighten it."
    )


def policy(limits: LimitsTable) -> Policy:
    """The model's policy from the checked table."""
    return Policy(
        allow_reduce=limits.allow_reduce,
        min_liquidation_distance=limits.min_liquidation_distance,
        max_margin=limits.max_margin,
        max_add=limits.max_add,
        max_total_add=limits.max_total_add,
        max_total_reduce=limits.max_total_reduce,
        max_changes=limits.max_changes,
        min_available=limits.min_available,
        unmanaged=Unmanaged(limits.unmanaged),
        when_short=WhenShort(limits.when_short),
        max_day_add=limits.max_day_add,
        max_day_changes=limits.max_day_changes,
    )
