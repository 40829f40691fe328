"""Every limit of the protocol with its reason, and the span that a margin seen by a late read may lack.

The numbers are those of the table in docs/exactly-once.md.
"""

from reconcile.journal.records import Effect

# Looks before a send.

MAX_READ_AGE_MS = 5_000
"""The oldest look that a step may be computed from; a read that takes longer is repeated."""
LOOKS_IN_TIME = 4
"""How often a look is repeated because the read took longer than ``MAX_READ_AGE_MS``."""
FRESH_LOOKS = 6
"""How many looks wait for reads that include our last effect. The pauses add up to the default grace period."""
BETWEEN_LOOKS_MS = 1_000
"""The pause between two such looks: a second costs little of the read limit and less than one grace period."""
ATTEMPTS = 4
"""How often one step starts again after proof that a request was not executed."""
VERIFY_EVERY_MS = 5_000
"""While writes are in flight, looks that only verify are at least this far apart: the rate limit is for the writes."""

# After a send, in grace periods of the exchange.

VISIBLE_GRACES = 2
"""How long a look is expected to show an accepted change. After it the ledger is asked, since a documented grace period
bounds the delay and the second one covers the age of the look."""
SETTLE_GRACES = 4
"""How long the search for an outcome goes on past the fence, or past its own start when that is later."""
LEAST_LOOKS = 4
"""How many looks the search takes at least, even if a rate limit used up its time."""
LONG_AFTER_GRACES = 10
"""After this many grace periods we no longer expect stale reads. Past that point a look is rejected only if it shows
the margin from before the step."""
LATE_BALANCE_GRACES = LONG_AFTER_GRACES + 1
"""How many grace periods after an addition's yes a balance may lack it: it takes effect up to one later, and the read
may be as late as any."""
LET_GO_GRACES = 100
"""After this many grace periods every read counts as fresh. Without this limit, an account where a person moved our
amount back would be held for ever."""


def unsure_from(move: Effect, *, grace_ms: int) -> int:
    """The time from which the margin that a step was computed from may lack movements (see ``unsure_since``)."""
    return unsure_since(move.signed_ms, move.later_than_ms, behind_ms=LONG_AFTER_GRACES * grace_ms)


def unsure_since(signed_ms: int, later_than_ms: int | None, *, behind_ms: int) -> int:
    """The time from which the margin that a step was computed from may lack movements.

    The look was up to ``MAX_READ_AGE_MS`` old and up to ``behind_ms`` late. It was late enough to show our own last
    effect on the lane, so it lacks no movement up to that effect. That effect was at ``later_than_ms``; None: none.
    """
    since = signed_ms - MAX_READ_AGE_MS - behind_ms
    return since if later_than_ms is None or later_than_ms >= signed_ms else max(since, later_than_ms + 1)
