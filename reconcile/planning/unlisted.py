"""Entries whose symbol is not one of the exchange's instruments: a typing error, or a contract that ended.

Such an entry is blocked with a suggestion and stops nothing else. A delivery contract ends on the date that its name
carries, so its entry becomes one of these without any change to the file.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from difflib import SequenceMatcher, get_close_matches

from reconcile.model.account import Address, ObservedAccount, Target

UNLISTED = "instrument"
"""The ``blocked_by`` of such an entry."""
UNUSABLE = "unusable"
"""The ``blocked_by`` of an address whose row on the exchange cannot be read."""
MOST_SUGGESTED = 20
"""For at most this many symbols, similar names are searched: each is compared with every instrument."""
_SUGGESTIONS = 3
_DELIVERY = re.compile(r".+[-_](\d{6})")
"""Binance and OKX end the name of a delivery contract with its date, ``YYMMDD``."""


def reasons(targets: Iterable[Target], observed: ObservedAccount) -> Mapping[str, str]:
    """The reason and the remedy for each symbol that the exchange does not list."""
    symbols = [symbol for target in targets if (symbol := target.address.symbol) not in observed.symbols]
    found: dict[str, str] = {}
    names = {name.upper(): name for name in sorted(observed.instruments)} if symbols else {}
    for symbol in dict.fromkeys(symbols):
        ended = _ended(symbol, observed.sent_at_ms)
        if ended is not None:
            advice = f"its delivery date {ended} has passed; remove the entry"
        else:
            near = _alike(symbol.upper(), names) if len(found) < MOST_SUGGESTED else []
            meant = f"did you mean {' or '.join(names[name] for name in near)}? " if near else ""
            advice = f"{meant}correct the symbol, or remove the entry if the contract was delisted"
        found[symbol] = f"{symbol} is not one of the exchange's instruments; {advice}"
    return found


def _alike(symbol: str, names: Collection[str]) -> list[str]:
    """The names that share four fifths of their letters: enough for two swapped letters, not for another coin."""
    near = get_close_matches(symbol, names, n=_SUGGESTIONS)
    return [name for name in near if _shared(symbol, name) * 5 >= (len(symbol) + len(name)) * 2]


def _shared(one: str, other: str) -> int:
    return sum(block.size for block in SequenceMatcher(None, other, one).get_matching_blocks())


def not_shown(address: Address, observed: ObservedAccount, unlisted: Mapping[str, str]) -> tuple[str, str]:
    """``blocked_by`` and reason of a declared address for which the exchange shows nothing usable.

    ``unlisted`` is the result of ``reasons`` for the declared targets.
    """
    problem = observed.unusable.get(address)
    if problem is not None:
        return UNUSABLE, f"what the exchange shows of it cannot be used: {problem}"
    return UNLISTED, unlisted[address.symbol]


def _ended(symbol: str, now_ms: int) -> str | None:
    """The delivery date in a contract's name if that day has begun; None for any other name."""
    named = _DELIVERY.fullmatch(symbol)
    if named is None:
        return None
    try:
        date = datetime.strptime(named[1], "%y%m%d").replace(tzinfo=UTC)
    except ValueError:
        return None
    now = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=now_ms)
    return date.strftime("%Y-%m-%d") if date <= now else None
