"""Every error we raise, cut by what is known about the account and not by what happened to a connection.

    ReconcileError
    ├── InputError            a file, an option or the environment is wrong; nothing was decided        exit 1
    │   └── StateFileErrors   every problem of every state file, in one go                              exit 1
    ├── UsageError            the command line is wrong                                                 exit 64
    ├── Declined              refused before sending anything: stale, used, frozen, policy, lock busy   exit 4
    ├── JournalError          the journal cannot be trusted or written; nothing may be sent             exit 1
    │   ├── ChainBroken       a record was changed, dropped, inserted or reordered
    │   └── LockLost          what we hold is no longer the lock of this account
    ├── Interrupted           the person or the system asked us to stop                                 exit 130
    ├── InternalError         a bug of ours, contained in one step or one account                       exit 1
    └── ExchangeError
        ├── ReadFailed        a read gave no usable answer; the account is as it was                    exit 1
        └── WriteError        one write was tried; the three ways it can have ended without a yes:
            ├── NotSent       no byte reached the exchange: may be sent again
            ├── Refused       the exchange proved that nothing changed
            └── InDoubt       anything else: look, never resend

Messages read ``what was being done: what is wrong; what to do``, in lower case. A cause is always chained.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType

LONGEST_TEXT = 2000
"""Characters of one error's text; what others wrote into it may be of any length."""


def readable(text: str, longest: int = LONGEST_TEXT) -> str:
    """The text, without its middle where it is longer: it begins with what was done and ends with what to do."""
    if len(text) <= longest:
        return text
    tail = longest // 4
    return f"{text[: longest - tail - 3]} … {text[-tail:]}"


class ReconcileError(Exception):
    """The root: everything that reconcile raises on purpose."""

    def __init__(self, message: str = "") -> None:
        super().__init__(readable(message))


class InputError(ReconcileError):
    """A file, an option's value or the environment is wrong, or a secret is missing; nothing was decided."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong in one state file; ``line`` is 1-based, None when the file as a whole is meant."""

    file: str
    line: int | None
    key: str
    message: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.key}: {self.message}" if self.key else f"{place}: {self.message}"


class StateFileErrors(InputError):
    """All problems of all state files of one invocation."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        Exception.__init__(self, "\n".join(readable(str(problem)) for problem in problems))
        self.problems = problems


class UsageError(ReconcileError):
    """The command line is wrong (exit 64)."""


class Declined(ReconcileError):
    """Refused before anything was sent (exit 4); the message says why and what to do.

    ``key`` names the rule: a policy key, ``stale``, ``expired``, ``digest``, ``used``, ``account``, ``frozen``,
    ``position_mode``, ``not_confirmed``, ``lock`` or ``fence``.
    """

    def __init__(
        self, key: str, message: str, *, asset: str | None = None, limit: str | None = None, value: str | None = None
    ) -> None:
        super().__init__(message)
        self.key = key
        self.asset = asset
        self.limit = limit
        self.value = value


class JournalError(ReconcileError):
    """The journal cannot be read, trusted or written, so nothing may be sent."""


class ChainBroken(JournalError):
    """A journal record was changed, dropped, inserted or reordered; ``line`` is the first bad one, 1-based."""

    def __init__(self, message: str, *, line: int) -> None:
        super().__init__(message)
        self.line = line


class LockLost(JournalError):
    """We no longer hold the lock of this account; nothing more may be sent."""


class Interrupted(ReconcileError):
    """The run was asked to stop (Ctrl-C, SIGTERM); what was in flight is settled or journalled."""


class InternalError(ReconcileError):
    """Something that is not a ReconcileError was raised: a bug. The message names its type and place, not its text,
    which may hold anything."""


class Containment:
    """A context manager that lets a bug of ours end one step or one account, and no other.

    Every exception that is not a ReconcileError becomes an InternalError; this is the one place that takes them all.
    Other steps and accounts may have calls in flight. An exception in their task group would cancel them between "sent"
    and "journalled". ``doing`` begins the message; ``trace`` receives the exception.
    """

    def __init__(self, doing: str, trace: Callable[[Exception], object]) -> None:
        self._doing = doing
        self._trace = trace

    def __enter__(self) -> None:
        """Nothing to do before."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Raises InternalError in place of an unexpected exception; cancellation and exits pass."""
        if isinstance(error, Exception) and not isinstance(error, ReconcileError):
            self._trace(error)
            problem = f"internal error: {type(error).__name__}{origin(error)}"
            raise InternalError(
                f"{self._doing}: {problem}; this is a bug, please report it with what -v says"
            ) from error


def origin(error: BaseException) -> str:
    """The place of an exception in our own code: `` at FILE:LINE in FUNCTION``, empty if unknown."""
    place, at = "", error.__traceback__
    while at is not None:
        code = at.tb_frame.f_code
        folders = code.co_filename.replace("\\", "/").split("/")
        if "reconcile" in folders or not place:
            place = f" at {folders[-1]}:{at.tb_lineno} in {code.co_name}"
        at = at.tb_next
    return place


class ExchangeError(ReconcileError):
    """Anything that went wrong between us and an exchange."""


class ReadFailed(ExchangeError):
    """A read gave no usable answer. Never evidence of absence.

    ``again`` says whether the same read may succeed soon; ``code`` is the exchange's own code or None;
    ``retry_after_ms`` is how long it asked us to wait, None when it did not say; ``kind`` is what a documented refusal
    asks of us, None where there was none; ``status`` is the HTTP status of the answer, None where there was no answer.
    """

    def __init__(
        self,
        message: str,
        *,
        again: bool,
        code: str | None = None,
        retry_after_ms: int | None = None,
        kind: "RefusalKind | None" = None,
        status: int | None = None,
    ) -> None:
        super().__init__(message)
        self.again = again
        self.status = status
        self.kind = kind
        self.code = code
        self.retry_after_ms = retry_after_ms


class WriteError(ExchangeError):
    """One write was tried and did not end in a clear yes."""


class NotSent(WriteError):
    """Name lookup, connection refused or connect timeout: no byte reached the exchange."""


class RefusalKind(StrEnum):
    """The action that a proven refusal requires."""

    THROTTLE = "throttle"  # a rate limit; try again from a new look
    CLOCK = "clock"  # our timestamp; synchronise, then again from a new look
    LATER = "later"  # the exchange is busy with this account or symbol; report, next run
    STATE = "state"  # position, order, type or mode differ from what we saw; report, next run
    FUNDS = "funds"  # not enough free balance, or more than is removable
    PERMISSION = "permission"  # key, signature, region, account status: a person must act
    REQUEST = "request"  # we sent something malformed: a bug or a setting


class Refused(WriteError):
    """A documented code, in a well-formed body, that proves nothing was executed."""

    def __init__(self, message: str, *, kind: RefusalKind, code: str, retry_after_ms: int | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.code = code
        self.retry_after_ms = retry_after_ms


class InDoubt(WriteError):
    """The write may or may not have been executed; ``code`` is what the exchange said, None when nothing usable."""

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code
