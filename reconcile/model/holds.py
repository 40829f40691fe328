"""The reason that nothing is sent for an address for now."""

from dataclasses import dataclass

UNSETTLED = "unsettled step"
"""It is not known what a call of ours did."""
UNSEEN = "accepted step"
"""The exchange said yes to a call of ours, and no look has shown it yet."""
AT_WORK = "run at work"
"""A run sent or settled a step while the account was read."""


def held_by(outcome: str | None) -> str:
    """The name of the hold of an open step of ours, by its outcome so far (None: the journal has none)."""
    return UNSEEN if outcome == "accepted" else UNSETTLED


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """``by`` names the rule of freshness that doubts the reading, or is one of the above.

    ``until_ms`` is the exchange time at which it ends at the latest, None where no time ends it.
    """

    reason: str
    by: str
    until_ms: int | None = None

    @property
    def is_unknown(self) -> bool:
        """Whether the doubt is about a call of ours; else it is about a reading."""
        return self.by == UNSETTLED

    @property
    def word(self) -> str:
        """``unknown`` or ``held``: what is in doubt is a call of ours or a reading."""
        return "unknown" if self.is_unknown else "held"
