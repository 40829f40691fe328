"""Types of the published documents: amounts as decimal strings, times as RFC 3339 with a zone."""

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from reconcile.model.times import unix_ms
from reconcile.money import parse

_NUMBER = r"^-?[0-9]+(\.[0-9]+)?$"


def _amount(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("an amount is a string")  # noqa: TRY004 - pydantic turns only ValueError into a message
    return parse(value)


def _time(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("a time is a string")  # noqa: TRY004 - as above
    return unix_ms(value)


Amount = Annotated[Decimal, BeforeValidator(_amount), WithJsonSchema({"type": "string", "pattern": _NUMBER})]
Share = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?%$")]
Time = Annotated[int, BeforeValidator(_time), WithJsonSchema({"type": "string", "format": "date-time"})]
Count = Annotated[int, Field(strict=True)]
ExitCode = Annotated[Count, Field(ge=0, le=255)]


class Model(BaseModel):
    """A reader accepts fields that it does not know; they are added within a format version."""

    model_config = ConfigDict(extra="ignore", frozen=True)
