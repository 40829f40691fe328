"""The types of a state file's keys: each one a check of the value and the JSON Schema that says the same to editors."""

# ruff: noqa: TRY004 - pydantic collects ValueError, and nothing else
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any

from pydantic import PlainValidator, WithJsonSchema

from reconcile.connect import endpoints
from reconcile.exchanges.catalogue import TRAITS
from reconcile.model.account import ColdStart, Limit, MarginType, Percent, PositionMode, Side, Unmanaged, WhenShort
from reconcile.model.measures import Thresholds
from reconcile.statefile import measures, scalars
from reconcile.statefile.secret_keys import value_problem

VERSION = 1
MOST_INCLUDED = 8
"""The most files that one state file may include."""
NAME_PATTERN = r"[a-z][a-z0-9-]{0,62}"
PREFIX_PATTERN = r"[A-Za-z_][A-Za-z0-9_]{0,99}"
UID_PATTERN = r"[A-Za-z0-9_-]{1,64}"
SYMBOL_PATTERN = r"""[^\s.:,;=/\\*?!\[\]{}"'#]{1,64}"""
GLOB_PATTERN = SYMBOL_PATTERN.replace("*", "")
TEMPLATE_PATTERN = rf"^(?=[^.]*\*)(?![^.]*\*\*){GLOB_PATTERN}\.({'|'.join(Side)})$"
EXCHANGES = tuple(TRAITS)
REGIONS = tuple(region for traits in TRAITS.values() for region in traits.regions)
PRODUCTS = tuple(product for traits in TRAITS.values() for product in traits.products)


def _version(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{scalars.shown(value)} is not a version; expected {VERSION}")
    if value != VERSION:
        raise ValueError(f"version {scalars.shown(value)} is not known here; expected {VERSION}")
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{scalars.shown(value)} is not true or false; expected true or false without quotes")
    return value


def _one_of(words: tuple[str, ...]) -> Callable[[object], str]:
    def check(value: object) -> str:
        if not isinstance(value, str):
            raise ValueError(f"{scalars.shown(value)} is not a string; expected {scalars.either(words)}")
        if value not in words:
            raise ValueError(f"{scalars.shown(value)} is not known; {scalars.hint(value, words)}")
        return value

    return check


def _account_name(value: object) -> str:
    expected = "expected a-z first, then a-z, 0-9 or -, at most 63 characters"
    if not isinstance(value, str) or not re.fullmatch(NAME_PATTERN, value):
        raise ValueError(f"{scalars.shown(value)} is not an account's name; {expected}")
    return value


def _prefix(value: object) -> str:
    # the value is not repeated: it may be the key itself
    secret = value_problem(value) if isinstance(value, str) else None
    if secret is not None:
        raise ValueError(secret)
    if not isinstance(value, str) or not re.fullmatch(PREFIX_PATTERN, value):
        raise ValueError(
            "not the prefix of a variable's name; expected letters, digits and _ such as MAIN (for MAIN_API_KEY), "
            "never a secret"
        )
    return value


def _uid(value: object) -> str:
    expected = 'expected the exchange\'s own id of the account in quotes, such as "44705892343619584"'
    if not isinstance(value, str) or not re.fullmatch(UID_PATTERN, value):
        raise ValueError(f"{scalars.shown(value)} is not an account's id; {expected}")
    return value


def _endpoint(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{scalars.shown(value)} is not a string; {endpoints.EXPECTED}")
    if "://" not in value and "@" not in value and value not in endpoints.NAMED:
        close = scalars.hint(value, endpoints.NAMED).partition("?")
        raise ValueError(
            f"is neither a known name nor a URL; {f'{close[0]}? ' if close[1] else ''}{endpoints.EXPECTED}"
        )
    return endpoints.normal(value)


def _include_names(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ValueError(f'{scalars.shown(value)} is not a list of paths; expected one such as ["../desk-policy.toml"]')
    if len(value) > MOST_INCLUDED:
        raise ValueError(f"{len(value)} files; expected at most {MOST_INCLUDED}")
    return tuple(value)


_NUMBER: dict[str, Any] = {"type": "number", "minimum": 0}
_ABOVE_ZERO: dict[str, Any] = {"type": "number", "exclusiveMinimum": 0}
_NUMERAL: dict[str, Any] = {"type": "string", "pattern": f"^{scalars.AMOUNT_PATTERN}$"}
_PERCENT: dict[str, Any] = {"type": "string", "pattern": f"^{scalars.AMOUNT_PATTERN} ?%$"}
_TABLE: dict[str, Any] = {
    "type": "object",
    "minProperties": 1,
    "additionalProperties": {"anyOf": [_NUMBER, _NUMERAL]},
}


def _any(*shapes: dict[str, Any]) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": list(shapes)})


def _words(*words: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "enum": list(words)})


# None is only ever the default of a key that is left out: the checks never see it, TOML cannot write it
Amount = Annotated[Decimal | None, PlainValidator(scalars.amount), _any(_NUMBER, _NUMERAL)]
Step = Annotated[
    Decimal | None, PlainValidator(scalars.positive), _any({"type": "number", "exclusiveMinimum": 0}, _NUMERAL)
]
Count = Annotated[
    int | None,
    PlainValidator(scalars.count),
    _any({"type": "integer", "minimum": 0}, {"type": "string", "pattern": "^[0-9]+$"}),
]


def _bounds(value: dict[str, Any]) -> WithJsonSchema:
    return WithJsonSchema(
        {
            "type": "object",
            "required": ["floor", "target"],
            "additionalProperties": False,
            "properties": dict.fromkeys(("floor", "target", "ceiling"), value),
        }
    )


Distance = Annotated[Thresholds | None, PlainValidator(measures.distance), _bounds(_PERCENT)]
EquityShare = Annotated[Thresholds | None, PlainValidator(measures.share), _bounds(_PERCENT)]
Cover = Annotated[
    Thresholds | None,
    PlainValidator(measures.cover),
    _bounds({"anyOf": [{"type": "number", "exclusiveMinimum": 1}, _NUMERAL]}),
]
Rank = Annotated[int | None, PlainValidator(scalars.rank), WithJsonSchema({"type": "integer", "minimum": 1})]
Rounding = Annotated[
    Limit | None,
    PlainValidator(scalars.rounding),
    _any(_ABOVE_ZERO, _NUMERAL, {**_TABLE, "additionalProperties": {"anyOf": [_ABOVE_ZERO, _NUMERAL]}}),
]
WhenShortName = Annotated[str, PlainValidator(_one_of(tuple(WhenShort))), _words(*WhenShort)]
Flag = Annotated[bool, PlainValidator(_flag), WithJsonSchema({"type": "boolean"})]
MaybeFlag = Annotated[bool | None, PlainValidator(_flag), WithJsonSchema({"type": "boolean"})]
Share = Annotated[Percent, PlainValidator(scalars.percent), WithJsonSchema(_PERCENT)]
ByAsset = Annotated[Limit | None, PlainValidator(scalars.limit), _any(_NUMBER, _NUMERAL, _TABLE)]
ShareOrByAsset = Annotated[
    Percent | Limit, PlainValidator(scalars.share_or_limit), _any(_NUMBER, _NUMERAL, _PERCENT, _TABLE)
]
OwnTolerance = Annotated[
    Percent | Decimal | None, PlainValidator(scalars.share_or_amount), _any(_NUMBER, _NUMERAL, _PERCENT)
]
SharedTolerance = Annotated[
    Percent | Limit, PlainValidator(scalars.shared_tolerance), _any(_NUMBER, _NUMERAL, _PERCENT, _TABLE)
]
MarginTypeName = Annotated[str | None, PlainValidator(_one_of(tuple(MarginType))), _words(*MarginType)]
ModeName = Annotated[str, PlainValidator(_one_of(tuple(PositionMode))), _words(*PositionMode)]
ColdStartName = Annotated[str | None, PlainValidator(_one_of(tuple(ColdStart))), _words(*ColdStart)]
UnmanagedName = Annotated[str, PlainValidator(_one_of(tuple(Unmanaged))), _words(*Unmanaged)]
ExchangeName = Annotated[str, PlainValidator(_one_of(EXCHANGES)), _words(*EXCHANGES)]
RegionName = Annotated[str | None, PlainValidator(_one_of(REGIONS)), _words(*REGIONS)]
ProductName = Annotated[str | None, PlainValidator(_one_of(PRODUCTS)), _words(*PRODUCTS)]
AccountName = Annotated[
    str, PlainValidator(_account_name), WithJsonSchema({"type": "string", "pattern": f"^{NAME_PATTERN}$"})
]
Prefix = Annotated[
    str | None, PlainValidator(_prefix), WithJsonSchema({"type": "string", "pattern": f"^{PREFIX_PATTERN}$"})
]
Uid = Annotated[str | None, PlainValidator(_uid), WithJsonSchema({"type": "string", "pattern": f"^{UID_PATTERN}$"})]
EndpointName = Annotated[
    str,
    PlainValidator(_endpoint),
    _any({"type": "string", "enum": list(endpoints.NAMED)}, {"type": "string", "pattern": "^https?://[^?#@\\s]+$"}),
]
Grace = Annotated[
    int | None,
    PlainValidator(scalars.grace_ms),
    _any({"type": "number", "exclusiveMinimum": 0, "maximum": 3600}, {"type": "string", "pattern": "^[0-9.]+[smh]?$"}),
]
IncludeNames = Annotated[
    tuple[str, ...],
    PlainValidator(_include_names),
    WithJsonSchema(
        {"type": "array", "maxItems": MOST_INCLUDED, "items": {"type": "string", "pattern": r"^[^/\\].*\.toml$"}}
    ),
]
Version = Annotated[int, PlainValidator(_version), WithJsonSchema({"type": "integer", "const": VERSION})]
Symbol = Annotated[str, WithJsonSchema({"type": "string", "pattern": f"^{SYMBOL_PATTERN}$"})]
