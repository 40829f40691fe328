"""The one place that tells a person something while money is under way, and lets nothing that goes wrong with it out.

The disk behind a log may be full, a reader gone, a stream closed, or the code that renders a metric wrong. None of
these is a reason to break off a run whose call may have been executed already.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

from reconcile.errors import ReconcileError

T = TypeVar("T")


def inform(tell: Callable[[T], object], news: T) -> str | None:
    """Tell it, and return what went wrong with that; None where nothing did. Never raises."""
    try:
        tell(news)
    except ReconcileError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - whatever it is, the run that is told of goes on
        return f"unexpected {type(error).__name__}: {error}"
    return None


class Notifier(Generic[T]):
    """Tells a person, as ``inform`` does; the first time that fails, ``otherwise`` is told so (None: there is no way).

    ``doing`` is what was being done, for that message.
    """

    def __init__(
        self, tell: Callable[[T], object], *, doing: str, otherwise: Callable[[str], object] | None = None
    ) -> None:
        self._tell = tell
        self._doing = doing
        self._otherwise = otherwise

    def __call__(self, news: T) -> None:
        """Tell it; never raises."""
        trouble = inform(self._tell, news)
        if trouble is not None and self._otherwise is not None:
            otherwise, self._otherwise = self._otherwise, None
            inform(otherwise, f"{self._doing}: {trouble}; the run goes on")
