"""``reconcile status`` and ``reconcile resolve``: what is unsettled, who holds the lock, and a person's word for it."""

import re
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import TypeVar

from reconcile.concurrency import gather_all
from reconcile.errors import Containment, Declined, InputError, JournalError, ReconcileError, UsageError
from reconcile.exchanges.base import Reader
from reconcile.exchanges.catalogue import TRAITS
from reconcile.exchanges.http.exchange_time import LONGEST_WAIT_MS
from reconcile.journal.base import Journal
from reconcile.journal.identity import is_notes
from reconcile.journal.records import IntentStatus, Resolved, RunFinished, RunStarted, Unsettled
from reconcile.journal.run_end import RunEnd
from reconcile.journal.state import JournalState
from reconcile.model.account import Address, DesiredAccount, Policy
from reconcile.model.run_start import RunStart
from reconcile.model.status import AccountStatus, OpenStep
from reconcile.protocol.outcomes import SAID_YES
from reconcile.render.common.values import rfc3339
from reconcile.statefile.fields import NAME_PATTERN, PREFIX_PATTERN
from reconcile.usecases.account import as_error, grace_ms, held_addresses
from reconcile.usecases.account_identity import reach
from reconcile.usecases.cold_fence import cold_until
from reconcile.usecases.notes import head_of, note, refusal
from reconcile.usecases.world import Connection, World

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """The result of a resolve."""

    account: str
    item: Unsettled
    applied: bool
    journal_head: str


async def status(world: World, accounts: Sequence[DesiredAccount]) -> tuple[AccountStatus, ...]:
    """The standing of every account, each with its own fate. Reads only."""
    world.accounts.update(desired.name for desired in accounts)
    return tuple(await gather_all(_status_one(world, desired) for desired in accounts))


async def _status_one(world: World, desired: DesiredAccount) -> AccountStatus:
    frozen = None
    try:
        with Containment(f"reading the status of {desired.name}", world.trace):
            frozen = await world.frozen(desired.name)
            reached = await reach(world, desired, world.reader(desired))
            connection, identity = reached.connection, reached.account.journal
            frozen = await world.frozen(desired.name, *reached.account.names)
            state = world.store.read(identity)
            grace = grace_ms(desired, connection.adapter)
            return AccountStatus(
                account=desired.name,
                lock=world.store.holder(identity),
                unsettled=tuple(_open_step(item, grace) for item in state.unsettled.values()),
                held=_held(state, desired, connection.adapter),
                journal_head=state.head,
                frozen=frozen,
            )
    except ReconcileError as error:
        found, code = as_error(error, desired)
        return AccountStatus(account=desired.name, frozen=frozen, errors=(found,), exit_code=code)


def _held(state: JournalState, desired: DesiredAccount, reader: Reader) -> tuple[Address, ...]:
    own = (item.intent.address for item in state.unsettled.values())
    return tuple(dict.fromkeys([*own, *held_addresses(state, desired, reader)]))


def _open_step(item: Unsettled, grace: int) -> OpenStep:
    intent = item.intent
    is_untold = item.said_yes and item.known is IntentStatus.UNKNOWN and not item.evidence.startswith(SAID_YES)
    return OpenStep(
        address=intent.address,
        action=intent.action,
        asset=intent.asset,
        amount=intent.amount,
        outcome=item.known,
        since=item.since,
        evidence=f"{SAID_YES}; {item.evidence}" if is_untold else item.evidence,
        resolvable_at_ms=intent.fence_ms + grace,
    )


async def resolve(world: World, *, address: str, applied: bool, reason: str, key_deleted: bool = False) -> Resolution:
    """Record a person's word about the unsettled step at ``[ACCOUNT:]ADDRESS``, under the account's lock.

    The account is found in the journals, where the step is. ``key_deleted`` says that the exchange refuses the step's
    request because the API key that signed it is gone. Raises UsageError when the address means nothing or more than
    one account, and InputError when nothing is unsettled there. Raises Declined (key ``fence``) before fence and grace
    have passed, unless the key is deleted. Raises what connecting, reading and locking raise. What ends it after the
    step was found is noted.
    """
    identity, desired, wanted = _find(world, address)
    try:
        return await _resolve(world, identity, desired, wanted, applied=applied, reason=reason, key_deleted=key_deleted)
    except ReconcileError as error:
        start = RunStart(account=desired.name, actor=world.actor, reason=reason, tool_version=world.version)
        word = "applied" if applied else "not-applied"
        more = {"address": str(wanted), "as": word, "key_deleted": key_deleted}
        record = refusal(world, error, command="resolve", start=start, more=more)
        await note(world, identity, record, name=desired.name, command="resolve")
        raise


async def _resolve(
    world: World,
    identity: str,
    desired: DesiredAccount,
    wanted: Address,
    *,
    applied: bool,
    reason: str,
    key_deleted: bool,
) -> Resolution:
    connection = world.reader(desired)
    async with AsyncExitStack() as stack:
        journal = await stack.enter_async_context(
            world.store.open(
                identity,
                run_id=world.new_id(),
                holder=world.holder("resolve"),
                timeout_ms=world.lock_timeout_ms,
            )
        )
        item = next((i for i in journal.state.unsettled.values() if i.intent.address == wanted), None)
        if item is None:
            raise InputError(f"resolving {wanted}: it was settled meanwhile; see reconcile status")
        resolvable_at_ms = item.intent.fence_ms + grace_ms(desired, connection.adapter)
        now_ms = await connection.adapter.sync_time()
        if now_ms <= resolvable_at_ms and not key_deleted:
            raise Declined("fence", _too_early(wanted, resolvable_at_ms, now_ms))
        resolved = Resolved(
            intent_id=item.intent.intent_id,
            applied=applied,
            reason=reason,
            actor=world.actor,
            effect_ms=connection.adapter.time.latest(),
            key_deleted=key_deleted,
        )
        await _say(world, journal, desired, connection, resolved)
        return Resolution(account=desired.name, item=item, applied=applied, journal_head=journal.head)


def _too_early(wanted: Address, resolvable_at_ms: int, now_ms: int) -> str:
    """The refusal of a resolve that comes too early, and what to do if the wait would be very long.

    A request that was signed with a wrong time of the exchange carries that time. If it is still under way, the
    exchange accepts it around then. So a far time does not end sooner by itself, however long ago the request was sent.
    """
    where, left_ms = f"resolving {wanted}", resolvable_at_ms - now_ms
    if left_ms <= LONGEST_WAIT_MS:
        return f"{where}: its request may still take effect; wait {-(-left_ms // 1000)} s, or let apply settle it"
    return (
        f"{where}: its request may take effect until {rfc3339(resolvable_at_ms)}, because it was signed with a wrong "
        "time that the exchange served; to end this sooner, delete the API key that signed it at the exchange and say "
        "so with --key-deleted"
    )


async def _say(
    world: World, journal: Journal, desired: DesiredAccount, connection: Connection[Reader], resolved: Resolved
) -> None:
    earlier = journal.state.last_run
    notes_head = await head_of(world, journal.identity)
    details = replace(
        RunStart() if earlier is None else earlier.details,
        plan_id=None,
        digest=None,
        git_commit=None,
        overrides={},
        actor=world.actor,
        reason=resolved.reason,
        account=desired.name,
        tool_version=world.version,
        notes_head=notes_head,
    )
    started = RunStarted(
        host=journal.state.last_host or world.host,
        command="resolve",
        cold_until_ms=cold_until(world, desired, journal, connection)
        if journal.was_changed
        else journal.state.cold_until_ms,
        details=details,
        machine=earlier.machine if earlier else world.machine,
    )
    await journal.append(started, durable=False)
    await journal.append(resolved, durable=True)
    await journal.append(RunFinished(details=RunEnd(exit_code=0)), durable=True)


def _find(world: World, text: str) -> tuple[str, DesiredAccount, Address]:
    """The journal, the account and the address that are meant."""
    name, _, rest = text.rpartition(":")
    try:
        wanted = Address.parse(rest)
    except ValueError as error:
        raise UsageError(f"resolve {text}: {error}") from error
    found: list[tuple[str, DesiredAccount]] = []
    broken: JournalError | None = None
    listed = [name for name in world.store.identities() if not is_notes(name)]
    for identity in listed:
        try:
            state = world.store.read(identity)
            if state.moved is not None and state.moved.with_records and state.led_to(identity) in listed:
                continue  # the copy under its new name goes on
            if state.last_run is None or not any(i.intent.address == wanted for i in state.unsettled.values()):
                continue
            desired = account_of(state.last_run.details)
        except JournalError as error:
            broken = error
            continue
        if name in {"", desired.name}:
            found.append((identity, desired))
    if not found:
        if broken is not None:
            raise JournalError(f"resolving {text}: nothing is unsettled in the journals that can be read; {broken}")
        raise InputError(f"resolving {text}: nothing is unsettled there; see reconcile status")
    if len(found) > 1:
        names = ", ".join(sorted(desired.name for _, desired in found))
        raise UsageError(
            f"resolve {text}: several accounts have an unsettled step there ({names}); write ACCOUNT:{rest}"
        )
    return (*found[0], wanted)


def account_of(start: RunStart) -> DesiredAccount:
    """As much of the account as its last run told the journal; enough to ask its exchange for the time.

    Raises JournalError where it told less, or what no state file can say.
    """
    name, exchange, credentials = _told(start.account), _told(start.exchange), _told(start.credentials)
    if exchange not in TRAITS or not re.fullmatch(NAME_PATTERN, name) or not re.fullmatch(PREFIX_PATTERN, credentials):
        raise _untold()
    return DesiredAccount(
        name=name,
        exchange=exchange,
        position_mode=_told(start.position_mode),
        endpoint=_told(start.endpoint),
        product=start.product,
        credentials=credentials,
        targets=(),
        policy=Policy(),
        amount_step=None,
        grace_ms=start.grace_ms,
        path=start.state_file or "",
        sha256=start.state_sha256 or "",
    )


def _told(value: T | None) -> T:
    if value is None:
        raise _untold()
    return value


def _untold() -> JournalError:
    return JournalError("reading the journal: its last run does not say which account it was for; run apply first")
