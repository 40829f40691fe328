"""N of the last M: a state counts as changed when that many of the last looks agree on another one.

Exchanges answer from replicas and traders move margin in two steps; a single look is no reason to wake anybody. A
state that cannot wait, such as a position below its floor, is believed at its first look.
"""

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A change of state; ``before`` is None where there was none yet."""

    before: str | None
    after: str


class Debouncer(Generic[K]):
    """The looks at each key, and the state that counts as confirmed."""

    def __init__(self, *, needed: int, of: int) -> None:
        """``needed`` of the last ``of`` looks must agree; raises ValueError unless 1 <= needed <= of."""
        if not 1 <= needed <= of:
            raise ValueError(f"{needed} of {of} looks cannot agree; expected 1 <= N <= M")
        self._needed = needed
        self._of = of
        self._seen: dict[K, deque[str]] = {}
        self._held: dict[K, str] = {}

    def see(self, key: K, state: str, *, at_once: bool = False) -> Turn | None:
        """Take in one look; the change of state it completes, None for none. ``at_once`` believes this look alone."""
        seen = self._seen.setdefault(key, deque(maxlen=self._of))
        seen.append(state)
        before = self._held.get(key)
        if state == before or (seen.count(state) < self._needed and not at_once):
            return None
        self._held[key] = state
        return Turn(before=before, after=state)

    def held(self, key: K) -> str | None:
        """The state that is held to be true; None while too few looks agree."""
        return self._held.get(key)

    def known(self) -> list[K]:
        """Everything that has been seen and not forgotten."""
        return list(self._seen)

    def forget(self, key: K) -> None:
        """As if it had never been seen."""
        self._seen.pop(key, None)
        self._held.pop(key, None)
