"""Which promise a world has broken, asked of the books; empty: none."""

from typing import TypeGuard

from reconcile.evidence.rows import signed_amount
from reconcile.journal.records import Intent, IntentStatus, Outcome, Record
from reconcile.model.account import Address
from reconcile.money import parse
from reconcile.protocol.timing import MAX_READ_AGE_MS
from tests.explorer.model import ADDRESS, OTHER_ADDRESS, Kind, Library, Row, Scope, World, slot_at

_NOTHING = {IntentStatus.NOT_APPLIED, IntentStatus.REFUSED, IntentStatus.NOT_SENT}


def wrong(scope: Scope, library: Library, world: World) -> str:
    """The first promise that is broken."""
    return _twice(world) or _past(scope, library, world) or _word(scope, library, world)


def _twice(world: World) -> str:
    done = [row.intent for row in world.rows if row.intent]
    return "a request counted twice" if len(done) != len(set(done)) else ""


def _past(scope: Scope, library: Library, world: World) -> str:
    """Our own steps never carry the margin past its target, but for what others moved since the look."""
    if not world.rows or not world.rows[-1].intent:
        return ""
    last = world.rows[-1]
    asleep = None if world.rare is None else world.rare.asleep
    targets = scope.targets[: max(world.run, 0 if asleep is None else asleep.run) + 1]
    margin = slot_at(scope, world.rows, last.time_ms, _address(last)).margin or 0
    over = min((margin - target) * (1 if last.change > 0 else -1) for target in targets)
    if over <= 0:
        return ""
    others = {Kind.MARK} if last.kind is Kind.OTHER_SIDE else {Kind.OTHER_SIDE, Kind.MARK}
    theirs = [row for row in world.rows if not row.intent and row.kind not in others]
    since_ms = _shown_ms(scope, library, world)
    excused = sum(abs(row.change) for row in theirs if row.time_ms > since_ms)
    return f"margin {margin} is past {targets} by our doing" if over > excused else ""


def _shown_ms(scope: Scope, library: Library, world: World) -> int:
    """The first moment at which stood what the look of our last step showed; where the journal is lost, the first that
    it can have shown."""
    last = world.rows[-1]
    intent = next((each for each in library.records[world.journal] if _is_of(each, last.intent)), None)
    signed_ms = last.time_ms - scope.validity_ms - scope.grace_ms if intent is None else intent.signed_at_ms
    since_ms = signed_ms - MAX_READ_AGE_MS - scope.positions_late * scope.grace_ms
    if intent is None:
        return since_ms
    moments = [since_ms, *(row.time_ms for row in world.rows if since_ms < row.time_ms <= signed_ms)]
    slots = {each: slot_at(scope, world.rows, each, intent.address) for each in moments}
    shows = (each for each in moments if slots[each].margin == parse(intent.before) / scope.unit)
    return next(shows, since_ms)


def _word(scope: Scope, library: Library, world: World) -> str:
    """The journal's word on each step is what happened. Asked between runs."""
    was_put_back = world.rare is not None and world.rare.cold_ms  # then only the margin is promised
    if world.life >= 0 or world.flights or was_put_back or min(scope.positions_late, scope.ledger_late) > 1:
        return ""
    done = {row.intent for row in world.rows}
    if any(not row.intent for row in world.rows) and max(scope.positions_late, scope.ledger_late) > 1:
        return ""  # where somebody undoes the very same move, a late witness may leave a wrong word
    ours = {row.change for row in world.rows if row.intent} | {
        change for record in library.records[world.journal] if (change := _change(scope, record)) is not None
    }
    if any(not row.intent and row.change in ours and row.kind is not Kind.OTHER_SIDE for row in world.rows):
        return ""  # the very same move of somebody else is taken for ours: the margin is right all the same
    told: dict[str, IntentStatus] = {}
    for record in library.records[world.journal]:
        if isinstance(record, Outcome):
            told[record.intent_id] = record.known
    for intent_id, known in told.items():
        if known is IntentStatus.APPLIED and intent_id not in done:
            return f"{intent_id} is journalled as applied, and never happened"
        if known in _NOTHING and intent_id in done:
            return f"{intent_id} is journalled as {known}, and happened"
    return ""


def _address(row: Row) -> Address:
    return OTHER_ADDRESS if row.kind is Kind.OTHER_SIDE else ADDRESS


def _change(scope: Scope, record: Record) -> int | None:
    if not isinstance(record, Intent) or record.amount is None:
        return None
    return int(signed_amount(record) / scope.unit)


def _is_of(record: Record, intent_id: str) -> TypeGuard[Intent]:
    return isinstance(record, Intent) and record.intent_id == intent_id
