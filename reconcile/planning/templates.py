"""Templates: entries whose symbol holds ``*``, and the open isolated positions that they stand for.

The exactness of a template is its number of characters besides ``*``. Among the templates that match a position, the
most exact one declares it. A state file with two equally exact templates that can match the same symbol is refused.
"""

from collections.abc import Iterable
from dataclasses import replace
from fnmatch import fnmatchcase

from reconcile.errors import Declined
from reconcile.model.account import Address, DesiredAccount, MarginType, ObservedAccount, Target

MOST_EXPANDED = 10_000
"""No look makes more entries from templates than this."""


def is_template(symbol: str) -> bool:
    """Whether a declared symbol is a template."""
    return "*" in symbol


def exactness(glob: str) -> int:
    """How exact the symbol of a template is."""
    return len(glob) - glob.count("*")


def overlap(one: str, other: str) -> bool:
    """Whether some symbol can match both of two globs with a ``*`` each: their ends must agree, the rest always can."""
    heads = one.partition("*")[0], other.partition("*")[0]
    tails = one.rpartition("*")[2], other.rpartition("*")[2]
    head, tail = sorted(heads, key=len), sorted(tails, key=len)
    return head[1].startswith(head[0]) and tail[1].endswith(tail[0])


def template_of(templates: Iterable[Target], address: Address) -> Target | None:
    """The template that declares an address; None if none matches it."""
    found = [each for each in templates if each.address.side is address.side and _matches(each, address)]
    return max(found, key=lambda each: exactness(each.address.symbol), default=None)


def _matches(template: Target, address: Address) -> bool:
    return fnmatchcase(address.symbol, template.address.symbol)  # which takes linear time, however many * there are


def expanded(desired: DesiredAccount, observed: ObservedAccount, *, by_symbol: bool) -> DesiredAccount:
    """The account with one target for each open isolated position that a template declares and no other entry names.

    ``by_symbol``: both sides share one margin type, so a symbol with a crossed entry gets no target. Raises Declined if
    there are more than ``MOST_EXPANDED``.
    """
    if not desired.templates:
        return desired
    named = {target.address for target in desired.targets}
    crossed = {target.address.symbol for target in desired.targets if target.margin_type is MarginType.CROSSED}
    made = []
    for address, position in observed.positions.items():
        if address in named or not position.is_open or position.margin_type is not MarginType.ISOLATED:
            continue
        if address in observed.unusable or (by_symbol and address.symbol in crossed):
            continue
        template = template_of(desired.templates, address)
        if template is not None:
            made.append(replace(template, address=address, template=str(template.address)))
    if len(made) > MOST_EXPANDED:
        message = f"its templates match {len(made)} open positions, more than {MOST_EXPANDED}; name fewer, or split it"
        raise Declined("templates", f"planning {desired.name}: {message}")
    made.sort(key=lambda target: (target.line or 0, target.address))
    return replace(desired, targets=(*desired.targets, *made))
