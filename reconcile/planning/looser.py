"""Limits of an account that allow more than at its last apply, so that a reviewer does not miss them.

Both sides are documents: the names and the notation of ``[policy]``, with ``grace_ms`` and ``cold_start`` beside them.
The earlier one comes from a journal, so its values may be of any type. Some changes cannot be compared: a share that
became an amount, a table that became a number. They count as looser, and a person decides.
"""

from collections.abc import Mapping
from decimal import Decimal

from reconcile.model.plan import LooserLimit
from reconcile.model.run_start import LimitsDocument
from reconcile.money import parse, plain

_CEILINGS = (
    "max_margin",
    "max_add",
    "max_total_add",
    "max_total_reduce",
    "max_changes",
    "max_day_add",
    "max_day_changes",
)
"""A larger value is looser; no value at all is the loosest."""
_FLOORS = ("min_liquidation_distance", "min_available", "grace_ms")
"""A smaller value is looser; no value at all is the loosest. An undeclared grace period is the exchange's own."""
_ORDERS: Mapping[str, tuple[tuple[object, ...], ...]] = {
    "allow_reduce": ((False,), (True,)),
    "unmanaged": (("refuse",), ("report",), ("ignore",)),
    "cold_start": (("wait",), ("trust",)),
    "when_short": (("refuse",), ("nearest-first", "priority", "pro-rata")),
}
"""From the strictest to the loosest; words that are equally strict are in one tuple."""


def looser(before: LimitsDocument, now: LimitsDocument, *, grace_ms: int) -> tuple[LooserLimit, ...]:
    """Every limit that allows more now than before; ``grace_ms`` is the exchange's own.

    A key of ``_ORDERS`` that one of the documents lacks was unknown to its version, and is not compared.
    """
    found = []
    for key, order in _ORDERS.items():
        was, is_now = before.get(key), now.get(key)
        first, second = _rank(order, was), _rank(order, is_now)
        if first is not None and second is not None and second > first:
            found.append(LooserLimit(key=key, before=_word(was), after=_word(is_now)))
    for key in (*_CEILINGS, *_FLOORS):
        was, is_now = _limit(before, key, grace_ms), _limit(now, key, grace_ms)
        if was != is_now and not _is_as_strict(was, is_now, higher=key in _CEILINGS):
            found.append(LooserLimit(key=key.removesuffix("_ms"), before=_shown(key, was), after=_shown(key, is_now)))
    return tuple(found)


def _rank(order: tuple[tuple[object, ...], ...], word: object) -> int | None:
    return next((rank for rank, words in enumerate(order) if word in words), None)


def _limit(document: LimitsDocument, key: str, grace_ms: int) -> object:
    value = document.get(key)
    return grace_ms if key == "grace_ms" and value is None else value


def _is_as_strict(was: object, now: object, *, higher: bool) -> bool:
    """Whether a limit allows no more than it did; ``higher`` is looser where it is True."""
    if was is None or now is None:
        return was is None
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        return all(_is_as_strict(amount, now.get(asset), higher=higher) for asset, amount in was.items())
    first, second = _number(was), _number(now)
    if first is None or second is None or first[1] != second[1]:
        return False
    return second[0] <= first[0] if higher else second[0] >= first[0]


def _number(value: object) -> tuple[Decimal, bool] | None:
    """An amount, and whether it is a share; None for anything else."""
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    try:
        return parse(text.removesuffix("%")), text.endswith("%")
    except ValueError:
        return None


def _shown(key: str, value: object) -> str:
    if value is None:
        return "no limit"
    if key == "grace_ms":
        number = _number(value)
        return "?" if number is None else f"{plain(number[0] / 1000)}s"
    if isinstance(value, Mapping):
        return ", ".join(f"{amount} {asset}" for asset, amount in value.items())
    return str(value)


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
