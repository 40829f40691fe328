"""Templates of a state file, ``[positions."BTC*.short"]``: as tables by symbol and side, and checked together."""

import re
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

from reconcile.planning.templates import exactness, is_template, overlap
from reconcile.statefile import lines
from reconcile.statefile.fields import TEMPLATE_PATTERN
from reconcile.statefile.problems import ProblemList

MOST_TEMPLATES = 200
"""The most templates that one state file may have."""
_TEMPLATE = re.compile(TEMPLATE_PATTERN)


def spread(raw: dict[str, Any], book: ProblemList) -> dict[str, Any]:
    """The parsed file with each template where a symbol's side would stand; ``book`` gets what is no template."""
    positions = raw.get("positions")
    if not isinstance(positions, dict) or not any(map(is_template, positions)):
        return raw
    plain = {symbol: sides for symbol, sides in positions.items() if not is_template(symbol)}
    spread_out: dict[str, dict[str, object]] = {}
    for key, table in positions.items():
        if is_template(key):
            glob, _, side = key.rpartition(".")
            if _TEMPLATE.fullmatch(key):
                spread_out.setdefault(glob, {})[side] = table
            else:
                expected = 'expected a template such as [positions."*.long"] or [positions."BTC*.short"]'
                book.add(("positions", key), f"not a template, and no symbol has *; {expected}")
    return {**raw, "positions": {**plain, **spread_out}}


def check(keys: Sequence[lines.Key], types: Mapping[lines.Key, str | None], book: ProblemList) -> None:
    """Check the templates together. ``types`` has the declared margin type of each, None if it has none."""
    if len(keys) > MOST_TEMPLATES:
        book.add(("positions",), f"{len(keys)} templates; expected at most {MOST_TEMPLATES}")
        return
    for key in keys:
        if types[key] == "crossed":
            book.add(key, "crossed; expected isolated, as a template only matches open isolated positions")
    for one, other in combinations(keys, 2):
        if one[-1] == other[-1] and exactness(one[1]) == exactness(other[1]) and overlap(one[1], other[1]):
            earlier, later = sorted((one, other), key=book.line)
            book.add(
                later,
                f"as exact as {lines.dotted(earlier)} (line {book.line(earlier)}), and one symbol can match both; "
                "expected one of them to have more characters besides *",
            )
