"""A distinctive last digit for an amount, so that a ledger row without side or client id can be told from a person's.

Where the ledger names no side (OKX, Bitget), the amount is all that says "this row is ours". People and programs move
round amounts; so the last digit of ours, counted in amount steps, is made 2 to 8, which is never within one step of a
round one (one step is how exactly rows are matched). Which digit follows from the intent's id, so that two of our own
moves of one size usually differ as well. It is evidence on top of the protocol, not a condition of it.

Only ever taken away, never added: a plan is a ceiling. At most ``MOST_STEPS`` steps go, so the caller marks only
where the tolerance has room for them; otherwise a second apply would send the rest.
"""

from decimal import Decimal
from hashlib import sha256

from reconcile.money import cut

MOST_STEPS = 9
"""How many steps a mark takes away at most."""
_DIGITS = "2345678"


def distinctive(amount: Decimal, step: Decimal, seed: str) -> Decimal:
    """``amount`` (> 0) cut to ``step`` with a last digit that follows from ``seed``; never more than ``amount``.

    An amount of fewer than ten steps has no room for a mark and is only cut.
    """
    units = int(cut(amount, step) / step)
    if units < 10:
        return units * step
    wanted = int(_DIGITS[sha256(seed.encode()).digest()[0] % len(_DIGITS)])
    return (units - (units - wanted) % 10) * step
