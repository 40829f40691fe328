"""How late a read may be, and what a margin that a step was computed from may therefore lack.

The numbers are those of the table in docs/exactly-once.md.
"""

from reconcile.journal.records import Effect

MAX_READ_AGE_MS = 5_000
"""An observation older than this is no basis for sending."""
LONG_AFTER_GRACES = 10
"""How many graces after an effect a read that is from before it would be a marvel: then it must look like one."""
LET_GO_GRACES = 100
"""How many graces after an effect no read is from before it any more, whatever it looks like."""


def unsure_from(move: Effect, *, grace_ms: int) -> int:
    """From when on a movement may be missing in the margin that a step was computed from (see ``unsure_since``)."""
    return unsure_since(move.signed_ms, move.later_than_ms, behind_ms=LONG_AFTER_GRACES * grace_ms)


def unsure_since(signed_ms: int, later_than_ms: int | None, *, behind_ms: int) -> int:
    """From when on a movement may be missing in the margin that a step was computed from.

    Its look had its age, and was up to ``behind_ms`` behind; but nothing is missing from before our own last effect on
    the lane, at ``later_than_ms`` (None: there was none), which that look was late enough to show.
    """
    since = signed_ms - MAX_READ_AGE_MS - behind_ms
    return since if later_than_ms is None or later_than_ms >= signed_ms else max(since, later_than_ms + 1)
