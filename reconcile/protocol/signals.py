"""Events and commands of a step's machine. Values only; ``machine.py`` decides, ``step.py`` executes.

Each event carries ``at``, the exchange's time when it came. A command's docstring ends with the events that answer it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal

from reconcile.errors import InDoubt, NotSent, Refused
from reconcile.exchanges.base import Accepted
from reconcile.journal.records import Effect, Intent, Record
from reconcile.model.account import Position, SymbolState
from reconcile.model.ledger import LedgerRead


@dataclass(frozen=True, slots=True)
class Now:
    """The exchange's time, in ms: the earliest and the latest it can be."""

    earliest_ms: int
    latest_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneLook:
    """The part of one look at the account that a step of one lane needs.

    ``shared``: both sides of the symbol hold a position. ``is_open``: one of them does. ``available`` is the free
    balance of the step's asset: zero where the exchange lists none, None where it does not tell it.
    """

    sent_at_ms: int
    position: Position | None
    symbol: SymbolState | None
    shared: bool
    is_open: bool
    available: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """The facts that the journal and the run know about a lane at the moment of a look.

    ``effect`` is the lane's last effect, ``move`` the address's last step that moved margin. A later look than
    ``unseen_until_ms`` shows all calls. ``open_step`` is an open step's known outcome, ``later_than_ms`` its value for
    ``unsure_since``. ``calls_seen_ms`` goes into a new intent. ``claims`` are rows of other outcomes. ``older`` are the
    margins around all steps except the last, ``around_others`` those around ``others``: all calls except the open one.
    """

    effect: Effect | None = None
    move: Effect | None = None
    unseen_until_ms: int | None = None
    open_step: str | None = None
    later_than_ms: int | None = None
    calls_seen_ms: int | None = None
    older: Collection[Decimal] = ()
    others: Sequence[Intent] = ()
    around_others: Collection[Decimal] = ()
    claims: Collection[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """A command is done: a pause, a wait, a place, a record."""

    at: Now


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """A look came. ``new_id`` is for the intent that may follow from it."""

    at: Now
    look: LaneLook
    memory: Memory
    new_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerCame:
    """A complete ledger read came."""

    at: Now
    ledger: LedgerRead


@dataclass(frozen=True, slots=True, kw_only=True)
class CannotRead:
    """A read, or a wait for the exchange's time, failed."""

    at: Now
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Halted:
    """Nothing new may be sent: a stop request came, or the account is frozen."""

    at: Now
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserved:
    """The free balance covers the step, and is reserved for an addition. ``free`` goes into the intent."""

    at: Now
    free: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Short:
    """The free balance is too small. ``awaits_reductions``: more may come; ``unseen_until_ms`` as in ``funds.py``."""

    at: Now
    free: Decimal
    awaits_reductions: bool
    unseen_until_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OnWire:
    """It is this step's turn to send. ``halted`` is the reason why nothing may be sent after all, or None."""

    at: Now
    halted: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The one request has ended. Looks for its effect must be sent after ``asked_after_ms``."""

    at: Now
    answer: Accepted | NotSent | Refused | InDoubt
    asked_after_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenOff:
    """The run cannot go on with this step: an error, or (``journals`` False) an interrupt or a failed journal."""

    at: Now
    detail: str
    journals: bool


SomeEvent = Resumed | Looked | LedgerCame | CannotRead | Halted | Reserved | Short | OnWire | Answered | BrokenOff


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait this many ms. Resumed."""

    ms: int


@dataclass(frozen=True, slots=True)
class WaitUntil:
    """Wait until a moment of the exchange's time as we estimate it, and at least this many ms. Resumed, CannotRead."""

    moment_ms: int
    at_least_ms: int


@dataclass(frozen=True, slots=True)
class WaitPast:
    """Wait until the exchange itself reports a later time. ``why`` is for a person. Resumed, CannotRead."""

    moment_ms: int
    why: str


@dataclass(frozen=True, slots=True)
class KnowTime:
    """Ask the exchange for its time if our reading is old. Resumed, CannotRead."""


@dataclass(frozen=True, slots=True)
class Enter:
    """Wait for room under the write limit. Resumed, CannotRead."""


@dataclass(frozen=True, slots=True)
class TakePlace:
    """Take one of the few places to look, journal and send. Resumed."""


@dataclass(frozen=True, slots=True)
class Look:
    """Take a look sent later than ``after_ms`` and no older than ``max_age_ms`` (None: any age).

    ``to_send``: for a call, so a halt comes first. ``batched``: shared while writes go on. Looked, CannotRead, Halted.
    """

    after_ms: int
    max_age_ms: int | None = None
    to_send: bool = False
    batched: bool = False


@dataclass(frozen=True, slots=True)
class ReadLedger:
    """Read the ledger of the lane's symbol since ``since_ms``. LedgerCame, CannotRead."""

    since_ms: int


@dataclass(frozen=True, slots=True)
class Reserve:
    """Reserve an addition from the free balance of a look of that time; a reduction needs none. Reserved, Short."""

    intent: Intent
    available: Decimal
    sent_at_ms: int


@dataclass(frozen=True, slots=True)
class AwaitFunds:
    """Wait until a reduction of this run has ended. Resumed."""


@dataclass(frozen=True, slots=True)
class Write:
    """Append to the journal; ``durable``: flush it too. Resumed."""

    record: Record
    durable: bool = False


@dataclass(frozen=True, slots=True)
class TakeWire:
    """Sign the call, then wait for the turn to send it. OnWire."""

    intent: Intent
    position: Position | None


@dataclass(frozen=True, slots=True)
class SendCall:
    """Send the signed call, once. Answered."""


@dataclass(frozen=True, slots=True)
class Done:
    """The life is over. No event follows."""


@dataclass(frozen=True, slots=True)
class Leave:
    """Release room and place. At once, no event."""


@dataclass(frozen=True, slots=True)
class Take:
    """An open addition of an earlier run counts against the free balance. At once, no event."""

    intent: Intent


@dataclass(frozen=True, slots=True)
class Release:
    """The addition did not happen: its balance is free again. At once, no event."""

    intent_id: str


@dataclass(frozen=True, slots=True)
class Count:
    """The addition took effect no later than ``effect_ms``. At once, no event."""

    intent_id: str
    effect_ms: int


@dataclass(frozen=True, slots=True)
class Say:
    """One line for a person. At once, no event."""

    text: str


AtOnce = Leave | Take | Release | Count | Say
Turn = (
    Pause
    | WaitUntil
    | WaitPast
    | KnowTime
    | Enter
    | TakePlace
    | Look
    | ReadLedger
    | Reserve
    | AwaitFunds
    | Write
    | TakeWire
    | SendCall
    | Done
)
Command = AtOnce | Turn
