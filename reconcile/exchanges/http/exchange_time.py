"""What the exchange's clock must show now, bounded from both sides by what the exchange itself has served.

A served time was made after our question left and before its answer came. So "now" is at the earliest the served time
plus what passed since the answer came, and at the latest the served time plus what passed since the question left.
Comparisons take the bound that makes them wait longer; a wrong local wall clock never matters.
"""

from dataclasses import dataclass

from reconcile.clock import Clock

RESYNC_AFTER_MS = 60_000
DRIFT_PER_MILLE = 2
"""How far a local clock may run fast or slow against the exchange's: either may be 1 in 1000 off, the other way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One served time with the local monotonic times around it, all milliseconds."""

    served_ms: int
    sent_at: int
    received_at: int

    @property
    def round_trip(self) -> int:
        """How long the question and its answer took."""
        return self.received_at - self.sent_at


class ExchangeTime:
    """Bounds for the exchange's time; the sample with the smallest round trip counts, and none lives for ever."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._sample: Sample | None = None
        self._doubted = False

    def take(self, sample: Sample) -> None:
        """Keep the sample if it is tighter than the one we have, or the one we have is old."""
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

    def _age(self, sample: Sample) -> int:
        return self._clock.monotonic_ms() - sample.received_at

    def _known(self) -> Sample:
        if self._sample is None:
            raise RuntimeError("the exchange's time was used before it was asked for")
        return self._sample
