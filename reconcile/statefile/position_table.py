"""The keys of one declared position: its margin type, and its margin as an amount or as a band of a risk measure."""

from itertools import combinations
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from reconcile.model.measures import Measure
from reconcile.statefile.fields import (
    Amount,
    Cover,
    Distance,
    EquityShare,
    MarginTypeName,
    MaybeFlag,
    OwnTolerance,
    Rank,
    Step,
)


class Table(BaseModel):
    """A table of the file: nothing but its known keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


_WAYS = ("isolated_margin", *Measure)
_MARGIN_KEYS: dict[str, Any] = {
    "allOf": [
        *({"not": {"required": [one, other]}} for one, other in combinations(_WAYS, 2)),
        *(
            {"not": {"required": [way, "margin_type"], "properties": {"margin_type": {"const": "crossed"}}}}
            for way in (*_WAYS, "auto_add")
        ),
    ],
    "dependentRequired": {measure.value: ["at_most"] for measure in Measure},
    "dependentSchemas": {
        key: {"anyOf": [{"required": [measure.value]} for measure in Measure]} for key in ("at_most", "at_least")
    },
}
"""JSON Schema: one amount or one measure, a measure with ``at_most``, neither beside crossed."""


class PositionTable(Table):
    """One position: what margin type it has, and its isolated margin as an amount or as a band of a risk measure."""

    model_config = ConfigDict(json_schema_extra=_MARGIN_KEYS)

    margin_type: MarginTypeName = Field(
        default=None, description="isolated or crossed; isolated_margin implies isolated.", examples=["isolated"]
    )
    isolated_margin: Amount = Field(
        default=None,
        description="The margin allocated to the position, without unrealised profit, in its margin asset; left out: "
        "the margin is left alone.",
        examples=[1500, "900.50"],
    )
    tolerance: OwnTolerance = Field(
        default=None,
        description="How far live may be from isolated_margin: a percentage of it or an amount.",
        examples=["0.5%", 1],
    )
    liquidation_distance: Distance = Field(
        default=None,
        description="How far the mark price stays from the liquidation price, as a share of the mark price. Margin is "
        "added below floor, and taken out above ceiling (optional), each time up or down to target.",
        examples=[{"floor": "8%", "target": "12%", "ceiling": "25%"}],
    )
    maintenance_cover: Cover = Field(
        default=None,
        description="Margin balance divided by maintenance margin, as bounds; the exchange liquidates at 1.",
        examples=[{"floor": 3, "target": 5}],
    )
    equity_share: EquityShare = Field(
        default=None,
        description="Margin balance divided by notional (1 divided by the effective leverage), as bounds.",
        examples=[{"floor": "10%", "target": "15%"}],
    )
    at_most: Step = Field(
        default=None,
        description="The most margin that the position may get, in its margin asset; required with a measure.",
        examples=[4000],
    )
    at_least: Amount = Field(
        default=None,
        description="The least margin that the position is brought to when its measure is out of bounds.",
        examples=[500],
    )
    auto_add: MaybeFlag = Field(
        default=None,
        description="Whether the exchange may add margin to the position by itself, where a call switches that "
        "(Bitget); elsewhere another setting than this blocks the position. Left out: as it is.",
        examples=[False],
    )
    priority: Rank = Field(
        default=None,
        description='Its place where the free balance is short, 1 first; only with when_short = "priority".',
        examples=[1],
    )
