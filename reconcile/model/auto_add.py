"""Auto-add: whether an exchange adds margin to an isolated position by itself, and the step that switches it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from reconcile.model.account import Address


class AutoAdd(StrEnum):
    """Whether the exchange adds margin to an isolated position by itself."""

    ON = "on"
    OFF = "off"

    @classmethod
    def of(cls, switch: bool) -> "AutoAdd":  # noqa: FBT001 - a switch is what it is about
        """The word for a switch."""
        return cls.ON if switch else cls.OFF


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAutoAdd:
    """Absolute: safe to repeat. It belongs to one open isolated position."""

    step_id: str
    address: Address
    before: AutoAdd
    after: AutoAdd
    action: Literal["set_auto_add"] = "set_auto_add"
