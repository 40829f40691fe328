"""What fuzzing a target means: which inputs it gets, what counts as a failure, and how a failing input is made small.

A failure is an exception that is none of the program's own errors (``crash``), a planted secret in any text that the
input made it produce (``leak``), or more time or memory for one input than the target's bounds allow (``bound``).
Every input is plain bytes, so whatever made it, it can be kept in a file and replayed.
"""

import base64
import json
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from random import Random
from types import FrameType
from typing import Any
from urllib.parse import quote, quote_plus

from hypothesis.strategies import SearchStrategy

from reconcile.errors import ReconcileError

_KB = 1024 if sys.platform != "darwin" else 1
"""``ru_maxrss`` counts kilobytes, on macOS bytes."""
_TRIES = 3_000
"""How many inputs shrinking tries at most."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """One reader of foreign input.

    ``run`` hands ``data`` to the program and returns every text that this produced; the program's own errors may leave
    it, and their text is checked as well. ``generate`` is for bulk, ``strategy`` for Hypothesis; both feed ``run``.
    """

    name: str
    about: str
    run: Callable[[bytes], Iterable[str]]
    generate: Callable[[Random], bytes]
    strategy: Callable[[], SearchStrategy[bytes]]
    secrets: tuple[str, ...] = ()
    most_ms: int = 500
    """Longest time for one input."""
    most_bytes: int = 64 << 20
    """Most that one input may raise the peak memory of the process by."""

    @cached_property
    def _forms(self) -> tuple[str, ...]:
        return tuple(sorted({form for secret in self.secrets for form in _forms_of(secret)}))

    def leaked(self, text: str) -> str | None:
        """The form of a planted secret that a text holds."""
        lowered = text.lower()
        return next((form for form in self._forms if form in lowered), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What went wrong with one input; ``what`` is the same for the same fault."""

    kind: str
    what: str
    detail: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One input: how long it took, by how much it raised the peak memory, and whether the program took it."""

    taken: bool
    seconds: float
    grown: int
    failure: Failure | None


class TooSlow(BaseException):
    """The alarm rang while one input was in work; nothing in between can catch it."""


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KB


def attempt(target: Target, data: bytes, *, peak: Callable[[], int] = _peak) -> Outcome:
    """Give one input to the target and judge what happens; ``peak`` tells the most bytes the process ever had.

    The bound on time is one on processor time; an alarm ends an input that sleeps.
    """
    earlier, begun = peak(), time.process_time()
    kind, what, detail, taken = "", "", "", False
    try:
        with _alarm(20 * target.most_ms):
            texts = list(target.run(data))
            for each in texts:
                each.encode("utf-8")  # what cannot be written anywhere is no text
        taken = True
    except ReconcileError as error:
        texts = [str(each) for each in _chain(error)]
    except (Exception, TooSlow) as error:  # noqa: BLE001 - every other exception is what is looked for
        texts = []
        kind, what, detail = "crash", _site(error), "".join(traceback.format_exception(error, limit=-6))
    seconds, grown = time.process_time() - begun, peak() - earlier
    leak = next((each for each in map(target.leaked, texts) if each is not None), None)
    if kind:
        pass
    elif leak is not None:
        kind, what, detail = "leak", leak, next(text for text in texts if target.leaked(text))
    elif seconds * 1000 > target.most_ms:
        kind, what, detail = "bound", "time", f"{seconds * 1000:.0f} ms, at most {target.most_ms}"
    elif grown > target.most_bytes:
        kind, what, detail = "bound", "memory", f"{grown >> 20} MiB more, at most {target.most_bytes >> 20}"
    failure = Failure(kind=kind, what=what, detail=detail, data=data) if kind else None
    return Outcome(taken=taken, seconds=seconds, grown=grown, failure=failure)


def shrunk(target: Target, failure: Failure) -> Failure:
    """A smaller input with the same failure: lines, then pieces, then single bytes are left out."""
    if failure.kind == "bound":
        return failure
    best, tries = failure, 0
    size = max(1, len(best.data) // 2)
    while size:
        position = 0
        while position < len(best.data) and tries < _TRIES:
            tries += 1
            found = attempt(target, best.data[:position] + best.data[position + size :]).failure
            if found is not None and (found.kind, found.what) == (best.kind, best.what):
                best = found
            else:
                position += size
        size //= 2
    return best


@contextmanager
def limited(extra_bytes: int) -> Iterator[None]:
    """An input that takes gigabytes ends in MemoryError, which is a crash, and not the machine with it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - no path of ours
        now = int(file.read().split()[0]) * resource.getpagesize()
    wanted = now + extra_bytes
    resource.setrlimit(resource.RLIMIT_AS, (wanted if hard < 0 else min(wanted, hard), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@contextmanager
def _alarm(milliseconds: int) -> Iterator[None]:
    def ring(_: int, frame: FrameType | None) -> None:
        raise TooSlow(f"still at work after {milliseconds} ms")

    earlier = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, milliseconds / 1000)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, earlier)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and its causes: a traceback shows them all."""
    while error is not None:
        yield error
        error = error.__cause__


def _site(error: BaseException) -> str:
    """The exception's type and the line of the program that it came through last."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = next((frame for frame in reversed(frames) if "/reconcile/" in frame.filename), frames[-1])
    return f"{type(error).__name__} at {ours.filename.rpartition('/reconcile/')[2]}:{ours.lineno}"


def _forms_of(secret: str) -> set[str]:
    """A secret as it may turn up, in lower case: as it is, encoded, and each half of 8 and more characters."""
    half = len(secret) // 2
    raw = {secret, *({secret[:half], secret[half:]} if half >= 8 else ())}
    forms = {form for each in raw for form in (each, quote(each, safe=""), quote_plus(each), json.dumps(each)[1:-1])}
    return {form.lower() for form in forms | {base64.b64encode(secret.encode()).decode().rstrip("=")}}


def compact(value: Any) -> bytes:
    """A value as JSON text; half surrogate pairs stay escaped."""
    return json.dumps(value, separators=(",", ":")).encode()
