"""The shape of a state file, version 1: the models that validate it and, from the same models, its JSON Schema.

This module checks single keys. Combinations of keys (a side that does not fit the mode, two files for one account) are
checked in ``resolve`` and ``files``. The schema repeats those checks if JSON Schema can express them.
"""

from typing import Any

from pydantic import ConfigDict, Field
from pydantic.json_schema import GenerateJsonSchema

from reconcile.exchanges.catalogue import TRAITS
from reconcile.model.account import Percent, PositionMode, Side
from reconcile.statefile.fields import (
    EXCHANGES,
    SYMBOL_PATTERN,
    TEMPLATE_PATTERN,
    VERSION,
    AccountName,
    ColdStartName,
    EndpointName,
    ExchangeName,
    Grace,
    IncludeNames,
    ModeName,
    Prefix,
    ProductName,
    RegionName,
    Step,
    Symbol,
    Uid,
    Version,
)
from reconcile.statefile.position_table import PositionTable, Table
from reconcile.statefile.shared_tables import DefaultsTable, IncludedTable, LimitsTable

SCHEMA_ID = f"urn:reconcile:state-file:{VERSION}"
INCLUDE_ID = f"urn:reconcile:included-file:{VERSION}"
SIDES = tuple(side.value for side in Side)


class AccountTable(Table):
    """Which exchange account this file declares."""

    name: AccountName = Field(
        description="What this account is called in output; unique within one invocation.", examples=["main"]
    )
    exchange: ExchangeName = Field(description="The exchange the account is at.", examples=["binance"])
    position_mode: ModeName = Field(
        description="hedge: a symbol has a long and a short side; one-way: one net side. The live account must agree.",
        examples=["hedge"],
    )
    endpoint: EndpointName = Field(
        default="live",
        description="live, testnet, sandbox (built in, no keys) or a URL (plain http only to loopback).",
        examples=["live", "sandbox", "http://127.0.0.1:8080"],
    )
    region: RegionName = Field(
        default=None,
        description="okx only: the site where the account was opened, eea (OKX Europe) or us (OKX US); with endpoint = "
        '"live" or "testnet". Left out for the global site.',
        examples=["eea"],
    )
    product: ProductName = Field(
        default=None,
        description="bitget only: the product line; USDT-FUTURES where left out.",
        examples=["USDT-FUTURES"],
    )
    credentials: Prefix = Field(
        default=None,
        description="Prefix of the secrets' variables (MAIN for MAIN_API_KEY); default: name in upper case, - as _. "
        "Never a secret itself.",
        examples=["MAIN"],
    )
    uid: Uid = Field(
        default=None,
        description="The exchange's own id of the account (Binance accountAlias, OKX uid, Bitget userId): where "
        "another account answers, nothing is sent. 'reconcile import' writes it.",
        examples=["44705892343619584"],
    )
    amount_step: Step = Field(
        default=None,
        description="Smallest amount of a margin call, where the exchange turns out to differ from what is assumed.",
        examples=["0.0001"],
    )
    grace: Grace = Field(
        default=None,
        description="How long effects, reads and ledger rows may lag at the exchange: a duration or seconds. Not below "
        "the exchange's default (5s) where the endpoint may reach the live exchange.",
        examples=["5s", 5],
    )
    cold_start: ColdStartName = Field(
        default=None,
        description="What a run does first where its journal may not know what was sent before. wait (default): "
        "until such a request can no longer take effect. trust: not at all; only with a loopback URL or with "
        'endpoint = "sandbox", where it is the default.',
        examples=["wait"],
    )


class SidesTable(Table):
    """The declared sides of one symbol: long and short in hedge mode, net in one-way mode."""

    # a side that the file does not name has its default here, and is not in model_fields_set

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    long: PositionTable = Field(default=PositionTable(), description="The long position (hedge mode).")
    short: PositionTable = Field(default=PositionTable(), description="The short position (hedge mode).")
    net: PositionTable = Field(default=PositionTable(), description="The one position (one-way mode).")


def _only(mode: PositionMode) -> dict[str, Any]:
    """JSON Schema: where the account has this mode, a symbol has only its sides."""
    sides = [side.value for side in mode.sides]
    symbols = {
        "patternProperties": {f"^{SYMBOL_PATTERN}$": {"propertyNames": {"enum": sides}}},
        "propertyNames": {"pattern": rf"^[^*]+$|\*.*\.({'|'.join(sides)})$"},
    }
    account = {"properties": {"position_mode": {"const": mode.value}}, "required": ["position_mode"]}
    return {
        "if": {"properties": {"account": account}, "required": ["account"]},
        "then": {"properties": {"positions": symbols}},
    }


_PRODUCT_NEEDS: dict[str, Any] = {
    "if": {"properties": {"account": {"required": ["product"]}}, "required": ["account"]},
    "then": {
        "properties": {
            "account": {"properties": {"exchange": {"enum": [name for name in EXCHANGES if TRAITS[name].products]}}}
        }
    },
}


_REGION_NEEDS: dict[str, Any] = {
    "if": {"properties": {"account": {"required": ["region"]}}, "required": ["account"]},
    "then": {
        "properties": {
            "account": {
                "properties": {
                    "exchange": {"enum": [name for name in EXCHANGES if TRAITS[name].regions]},
                    "endpoint": {"enum": ["live", "testnet"]},
                }
            }
        }
    },
}


_TRUST_NEEDS: dict[str, Any] = {
    "if": {
        "properties": {"account": {"properties": {"cold_start": {"const": "trust"}}, "required": ["cold_start"]}},
        "required": ["account"],
    },
    "then": {
        "properties": {
            "account": {
                "properties": {"endpoint": {"pattern": r"^sandbox$|^[hH][^/]*://([lL]|127\.|\[)"}},
                "required": ["endpoint"],
            }
        }
    },
}
"""Roughly: what begins like a loopback URL; the program reads the address itself."""


class StateFile(Table):
    """The declared margin state of one futures account."""

    model_config = ConfigDict(
        title="reconcile state file",
        json_schema_extra={
            "allOf": [*(_only(mode) for mode in PositionMode), _PRODUCT_NEEDS, _REGION_NEEDS, _TRUST_NEEDS]
        },
    )

    version: Version = Field(description="The version of this format.", examples=[VERSION])
    account: AccountTable = Field(description="Which exchange account this file declares.")
    include: IncludeNames = Field(
        default=(),
        description="Files with [policy] and [defaults] for several accounts, by paths relative to this file. What "
        "this file says itself wins, and may only tighten the policy.",
        examples=[["../desk-policy.toml"]],
    )
    defaults: DefaultsTable = Field(
        default=DefaultsTable(), description="For every position that does not say it itself."
    )
    policy: LimitsTable = Field(default=LimitsTable(), description="What plan and apply may do.")
    positions: dict[Symbol, SidesTable] = Field(
        default={},
        description="The declared positions: by the exchange's own instrument id, then by side; and templates such as "
        '"*.long" for open isolated positions that are not named.',
        examples=[{"BTCUSDT": {"long": {"isolated_margin": 1500}}}],
        json_schema_extra={"additionalProperties": False},
    )


class _Schema(GenerateJsonSchema):
    """pydantic's generator without titles that repeat the key and without defaults that TOML cannot write."""

    def default_schema(self, schema: Any) -> dict[str, Any]:
        """The key's schema, with its default where that is a single value."""
        made = self.generate_inner(schema["schema"])
        match schema.get("default"):
            case bool() | str() as default:
                return {**made, "default": default}
            case Percent(value=share):
                return {**made, "default": f"{share}%"}
        return made

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - the signature is pydantic's
        """Never: the key is its own title."""
        return False


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a state file, for editors; generated from the models that validate."""
    made = StateFile.model_json_schema(schema_generator=_Schema)
    made["properties"]["positions"]["patternProperties"][TEMPLATE_PATTERN] = {"$ref": "#/$defs/PositionTable"}
    return {"$schema": GenerateJsonSchema.schema_dialect, "$id": SCHEMA_ID, **made}


def include_schema() -> dict[str, Any]:
    """The JSON Schema of a file that ``include`` names."""
    made = IncludedTable.model_json_schema(schema_generator=_Schema)
    return {"$schema": GenerateJsonSchema.schema_dialect, "$id": INCLUDE_ID, **made}
