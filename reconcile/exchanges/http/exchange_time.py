"""The exchange's time now, bounded from both sides by the times that the exchange has served.

A served time was made after our question left and before its answer came. So "now" lies between two bounds. The
earliest is the served time plus what passed since the answer came, the latest the served time plus what passed since
the question left. Comparisons take the bound that makes them wait longer; a wrong local wall clock never matters.
"""

from dataclasses import dataclass

from reconcile.clock import Clock
from reconcile.errors import ReadFailed
from reconcile.model.times import LAST_MS, written

RESYNC_AFTER_MS = 60_000
DRIFT_PER_MILLE = 2
"""The drift of a local clock against the exchange's: either may be 1 in 1000 off, the other way."""

FIRST_MS = 1_577_836_800_000
"""2020-01-01T00:00:00Z; no exchange serves an earlier time, nor one past ``LAST_MS``, the end of 2099."""
DISAGREEMENT_MS = 60_000
"""The greatest disagreement between a served time and the time that the one before it gives for now."""
LONGEST_WAIT_MS = 600_000
"""The longest wait for a moment of the exchange's time, beside the grace. The longest that is needed is half a minute
and a grace or two; what is further away comes from a wrong time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One served time with the local monotonic times around it, all milliseconds."""

    served_ms: int
    sent_at: int
    received_at: int

    @property
    def round_trip(self) -> int:
        """The duration of the request and its answer."""
        return self.received_at - self.sent_at


class ExchangeTime:
    """Bounds for the exchange's time; the sample with the smallest round trip counts, and none lives for ever."""

    def __init__(self, clock: Clock, *, grace_ms: int = 0) -> None:
        self._clock = clock
        self._longest_wait_ms = LONGEST_WAIT_MS + 2 * grace_ms
        self._sample: Sample | None = None
        self._doubted = False

    def take(self, sample: Sample) -> None:
        """Keep the sample if it is tighter than the one we have, or the one we have is old.

        Raises ReadFailed for a time that is outside the window, or that contradicts the sample we have.
        """
        self._check(sample)
        kept = self._sample
        if kept is None or self.due or sample.round_trip <= kept.round_trip:
            self._sample = sample
            self._doubted = False

    def forget(self) -> None:
        """Doubt what we know: the exchange said our timestamp is wrong. It bounds what is under way until the next
        answer takes its place, whatever its round trip."""
        self._doubted = True

    @property
    def due(self) -> bool:
        """Whether the exchange must be asked again before its time is used."""
        return self._doubted or self._sample is None or self._age(self._sample) > RESYNC_AFTER_MS

    def earliest(self) -> int:
        """The exchange's time now, at the earliest; use it to sign and to date our questions."""
        sample = self._known()
        elapsed = self._clock.monotonic_ms() - sample.received_at
        return sample.served_ms + elapsed - elapsed * DRIFT_PER_MILLE // 1000

    def latest(self) -> int:
        """The exchange's time now, at the latest; use it to date effects."""
        sample = self._known()
        elapsed = self._clock.monotonic_ms() - sample.sent_at
        return sample.served_ms + elapsed + elapsed * DRIFT_PER_MILLE // 1000 + 1

    def is_near(self, moment_ms: int) -> bool:
        """Whether ``wait_ms`` lets a run wait for that moment."""
        return moment_ms - self.earliest() <= self._longest_wait_ms

    def wait_ms(self, moment_ms: int) -> int:
        """The longest time until ``moment_ms``, not positive where it is over.

        Raises ReadFailed where that is longer than ``LONGEST_WAIT_MS`` and two graces.
        """
        missing = moment_ms - self.earliest()
        if not self.is_near(moment_ms):
            raise ReadFailed(
                f"waiting until {written(moment_ms)} by the exchange's time: it is {missing // 1000} s away, and the "
                f"longest wait is {self._longest_wait_ms // 1000} s; the exchange served a wrong time now or to an "
                "earlier run: run again to see which, and see 'reconcile resolve --help' for a step that stays held",
                again=False,
            )
        return missing

    def end_wait(self, moment_ms: int, *, waited_ms: int) -> None:
        """End a wait that keeps growing because the exchange's clock goes back: raises ReadFailed once it has lasted
        longer than ``wait_ms`` allows."""
        if waited_ms > self._longest_wait_ms:
            raise ReadFailed(
                f"waiting until {written(moment_ms)} by the exchange's time: after {waited_ms // 1000} s its clock "
                "still shows an earlier time, so it goes back or stands still; run again later",
                again=False,
            )

    def _check(self, sample: Sample) -> None:
        doing = "asking the exchange for its time"
        if not FIRST_MS <= sample.served_ms <= LAST_MS:
            raise ReadFailed(
                f"{doing}: it answers {sample.served_ms} ms, which is not between 2020 and 2099; try again later",
                again=True,
            )
        if self._sample is None:
            return
        early = self.earliest() - sample.round_trip - sample.served_ms
        late = sample.served_ms - self.latest()
        if max(early, late) > DISAGREEMENT_MS:
            raise ReadFailed(
                f"{doing}: its answer is {max(early, late) // 1000} s {'behind' if early > late else 'ahead of'} what "
                "it answered before and the time since then; one of the two is wrong, so run again later",
                again=True,
            )

    def _age(self, sample: Sample) -> int:
        return self._clock.monotonic_ms() - sample.received_at

    def _known(self) -> Sample:
        if self._sample is None:
            raise RuntimeError("the exchange's time was used before it was asked for")
        return self._sample
