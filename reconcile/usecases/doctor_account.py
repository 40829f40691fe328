"""The checks of one account that ``doctor`` makes, in the order in which a run would meet them.

Each check is made by itself: one that fails costs no other, except those that need what it was to find out.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

from reconcile.connect import secrets
from reconcile.errors import Containment, ReconcileError
from reconcile.exchanges.base import Reader
from reconcile.exchanges.catalogue import TRAITS
from reconcile.journal.state import JournalState
from reconcile.model.account import DesiredAccount, MarginType
from reconcile.model.doctor import AccountCheckup, AccountInspection, Check, CheckVerdict, failed, passed, warned
from reconcile.render.common.holder import holder_text
from reconcile.usecases.account import as_error, grace_ms, held_addresses, with_templates
from reconcile.usecases.account_identity import AccountIdentity, ask, check_pin
from reconcile.usecases.world import Connection, World

CLOCK_TOLERANCE_MS = 1_000
"""A greater error of the runner's clock is a finding."""
SLOW_MS = 1_000
"""A round trip that leaves little of the shortest validity of a signed request (3 s)."""


@dataclass(slots=True)
class _Examination:
    """One account, with what its checks have found out so far; None: not yet, or it could not be."""

    world: World
    desired: DesiredAccount
    connection: Connection[Reader] | None = None
    served_ms: int | None = None
    account: AccountIdentity | None = None
    inspection: AccountInspection | None = None
    state: JournalState | None = None

    @property
    def title(self) -> str:
        """The exchange's usual name."""
        return TRAITS[self.desired.exchange].title

    @property
    def way(self) -> Connection[Reader]:
        """The connection; only checks that need it ask."""
        if self.connection is None:
            raise RuntimeError("a check ran before the one that it needs")
        return self.connection


async def examine(world: World, desired: DesiredAccount) -> AccountCheckup:
    """Every check of one account; what a check raises is what it found."""
    case = _Examination(world, desired)
    checks = [await _one(case, name, needs, check) for name, (needs, check) in _CHECKS.items()]
    identity = None if case.account is None else case.account.name
    return AccountCheckup(desired=desired, checks=tuple(checks), identity=identity)


async def _one(case: _Examination, name: str, needs: str, check: "_Make") -> Check:
    if needs and getattr(case, _FINDS[needs]) is None:
        return Check(name=name, verdict=CheckVerdict.UNKNOWN, finding=f"not checked: the check '{needs}' failed")
    try:
        with Containment(f"checking {name} of {case.desired.name}", case.world.trace):
            return replace(await check(case), name=name)
    except ReconcileError as error:
        found, code = as_error(error, case.desired)
        return Check(name=name, verdict=CheckVerdict.FAILED, finding=found.message, exit_code=code)


async def _credentials(case: _Examination) -> Check:
    case.connection = case.world.reader(case.desired)
    names = secrets.names(case.desired)
    return passed(f"found {', '.join(names)}" if names else "the built-in sandbox needs none")


async def _network(case: _Examination) -> Check:
    clock, route = case.world.clock, case.way.route()
    begun = clock.monotonic_ms()
    case.served_ms = await case.way.adapter.sync_time()
    took = clock.monotonic_ms() - begun
    finding = f"{route}: answered in {took} ms"
    if took > SLOW_MS:
        return warned(
            finding, "run nearer to the exchange, or look at the proxy: slow answers end as outcomes in doubt"
        )
    return passed(finding)


async def _clock(case: _Examination) -> Check:
    time, now = case.way.adapter.time, case.world.clock.wall_ms()
    early, late = time.earliest(), time.latest()
    off = now - late if now > late else min(now - early, 0)
    if abs(off) <= CLOCK_TOLERANCE_MS:
        return passed(f"the runner's clock agrees with {case.title}'s within {max(abs(off), late - early)} ms")
    return warned(
        f"the runner's clock is {abs(off) / 1000:.1f} s {'ahead of' if off > 0 else 'behind'} {case.title}'s",
        "switch time synchronisation (NTP) on: requests are signed with the exchange's time and go on working, but "
        "plan expiry and journal times use this clock",
    )


async def _account(case: _Examination) -> Check:
    found = await ask(case.world, case.way)
    case.account = found
    check_pin(case.desired, found.uid)
    if found.uid is None:
        return passed(f"{case.title} does not tell this key its account; the journal goes by the key")
    if case.desired.uid is None and case.desired.endpoint != "sandbox":
        return warned(
            f"the key belongs to account {found.uid}, and the state file pins none",
            f'write uid = "{found.uid}" under [account], so that a wrong key is refused',
        )
    return passed(f"the key belongs to account {found.uid}")


async def _key(case: _Examination) -> Check:
    found = case.inspection = await case.way.adapter.inspect()
    if found.withdraws:
        return warned(
            f"{found.told}: it may withdraw", "replace it by a key without that permission; reconcile never withdraws"
        )
    if found.moves_margin is False:
        return warned(f"{found.told}: it cannot move margin", "plan and drift work; apply needs a key that may trade")
    sandbox = case.desired.endpoint == "sandbox"
    if found.bound_to_addresses is False and not sandbox:
        return warned(
            f"{found.told}; it is bound to no IP address", "bind it to the addresses of the runners (SECURITY.md)"
        )
    if found.withdraws is None:
        advice = f"look at the key's form at {case.title}: withdrawals and transfers must be off (SECURITY.md)"
        return Check(name="", verdict=CheckVerdict.UNKNOWN, finding=found.told, advice="" if sandbox else advice)
    return passed(found.told)


async def _modes(case: _Examination) -> Check:
    desired = case.desired
    reader = case.way.adapter
    look = await reader.observe(desired.types, measured=desired.measured)
    desired = await with_templates(desired, reader, seen=look)
    if look.position_mode is not desired.position_mode:
        return failed(
            4,
            f"the account is in {look.position_mode} mode and the file declares {desired.position_mode}",
            "correct position_mode, or switch the account",
        )
    if look.account_block is not None:
        return failed(3, look.account_block, "until then every isolated target is blocked")
    if look.multi_assets and (MarginType.ISOLATED in desired.types.values() or desired.templates):
        return failed(3, "the account is in multi-assets mode, which is crossed only", "switch it to single-asset mode")
    declared = {target.address for target in desired.targets if target.declares_margin and not target.auto_add}
    topped_up = sorted(str(place) for place in declared if place in look.positions and look.positions[place].auto_add)
    if topped_up:
        where = ", ".join(topped_up)
        return warned(f"the exchange adds margin by itself to {where}", "switch auto-add off there; it blocks them")
    notes = () if case.inspection is None else case.inspection.mode_notes
    if notes:
        return warned("; ".join(notes), "try one small apply, or switch the account to futures mode")
    count = sum(position.is_open for position in look.positions.values())
    return passed(f"{look.position_mode} mode as declared; {count} open position{'' if count == 1 else 's'} read")


def _identity(case: _Examination) -> AccountIdentity:
    if case.account is None:
        raise RuntimeError("a check ran before the one that it needs")
    return case.account


async def _journal(case: _Examination) -> Check:
    state = case.state = case.world.store.read(_identity(case).journal)
    if state.records:
        return passed(f"chain verified, {state.records} records, head {state.head[:12]}…")
    traits = case.way.adapter.traits
    wait_ms = traits.validity_ms + grace_ms(case.desired, case.way.adapter)
    if not case.way.cold_fence:
        return passed("none yet; the first apply begins it")
    return passed(f"none yet; the first apply begins it, and waits {-(-wait_ms // 1000)} s before it sends")


async def _lock(case: _Examination) -> Check:
    holder = case.world.store.holder(_identity(case).journal)
    if holder is None:
        return passed("free")
    return warned(f"held by {holder_text(holder)}", "an apply waits for it (--lock-timeout); it ends with that process")


async def _outcomes(case: _Examination) -> Check:
    if case.state is None:
        raise RuntimeError("a check ran before the one that it needs")
    held = held_addresses(case.state, case.desired, case.way.adapter)
    if not held:
        return passed("every earlier step has a known outcome")
    return failed(
        5,
        "; ".join(f"{address}: {held[address].reason}" for address in sorted(held)),
        f"run reconcile apply; what it cannot tell stays for 'reconcile status {case.desired.path}'",
    )


async def _freeze(case: _Examination) -> Check:
    names = () if case.account is None else case.account.names
    reason = await case.world.frozen(case.desired.name, *names)
    if reason is None:
        return passed("not frozen")
    return failed(
        4, f"frozen: {reason}", f"when it may send again: reconcile unfreeze {case.desired.name} --reason TEXT"
    )


_Make = Callable[[_Examination], Awaitable[Check]]
_FINDS = {"credentials": "connection", "network": "served_ms", "account": "account", "journal": "state"}
"""The findings of the checks that other checks need."""
_CHECKS: Mapping[str, tuple[str, _Make]] = {
    "credentials": ("", _credentials),
    "network": ("credentials", _network),
    "clock": ("network", _clock),
    "account": ("network", _account),
    "key": ("network", _key),
    "modes": ("network", _modes),
    "journal": ("account", _journal),
    "lock": ("account", _lock),
    "outcomes": ("journal", _outcomes),
    "freeze": ("", _freeze),
}
"""By name: the check that it needs (empty: none), and how it is made."""
