"""Times from outside, bounded: exchange answers and saved documents cannot name a time that no calendar holds.

Unix milliseconds from 1970 to the end of 2099. Inside these bounds a grace, a validity or a saved plan's life can be
added without leaving the calendar.
"""

import re
from datetime import UTC, datetime, timedelta

LAST_MS = 4_102_444_799_999
"""2099-12-31T23:59:59.999Z."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def checked(time_ms: int) -> int:
    """The same Unix time; raises ValueError outside 1970 to 2099."""
    if not 0 <= time_ms <= LAST_MS:
        raise ValueError("the time is not between 1970 and 2099")
    return time_ms


def written(time_ms: int) -> str:
    """A Unix time as RFC 3339 in UTC, to the second."""
    return f"{_EPOCH + timedelta(milliseconds=checked(time_ms)):%Y-%m-%dT%H:%M:%SZ}"


def unix_ms(text: str) -> int:
    """The Unix time in milliseconds of an RFC 3339 time; raises ValueError for anything else, local times included."""
    if not _RFC3339.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is not an RFC 3339 time with a time zone")
    moment = datetime.fromisoformat(text.upper())
    return checked((moment - _EPOCH) // timedelta(milliseconds=1))
