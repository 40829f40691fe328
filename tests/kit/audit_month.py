"""A month of one account's journal, written through a real store: applies, drift, doubt, refusals, a killed run."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from reconcile.journal import run_end
from reconcile.journal.base import Journal, Store
from reconcile.journal.records import Intent, IntentStatus, NoteRecord, Outcome, Resolved, RunFinished, RunStarted
from reconcile.journal.run_end import RunEnd
from reconcile.model.account import Address
from reconcile.model.notes import PlanNote, RefusalNote
from reconcile.model.run_start import RunStart
from reconcile.money import plain

ACCOUNT = "binance-sandbox-desk"
BEGUN_MS = 1_790_000_000_000
HOUR_MS = 3_600_000
LONG, SHORT = "BTCUSDT.long", "ETHUSDT.short"
HOSTILE = "<script>alert('x')</script> & \"quotes\" \u202e"


class Calendar:
    """A clock that the test turns."""

    def __init__(self) -> None:
        self.now_ms = BEGUN_MS

    def monotonic_ms(self) -> int:
        """The same as the wall's."""
        return self.now_ms

    def wall_ms(self) -> int:
        """As the test says."""
        return self.now_ms

    async def sleep(self, milliseconds: int) -> None:
        """Nobody waits here."""
        self.now_ms += milliseconds


@dataclass(slots=True, kw_only=True)
class Desk:
    """An account whose margins and declarations the test moves, and whose runs it journals."""

    store: Store
    clock: Calendar
    account: str = "desk"
    identity: str = ACCOUNT
    margins: dict[str, Decimal] = field(default_factory=lambda: {LONG: Decimal(1200), SHORT: Decimal("900.5")})
    declared: dict[str, Decimal] = field(default_factory=lambda: {LONG: Decimal(1500), SHORT: Decimal("900.5")})
    number: int = 0

    def wait(self, hours: int) -> None:
        """Let time pass."""
        self.clock.now_ms += hours * HOUR_MS

    def apply(
        self,
        *steps: tuple[str, str],
        actor: str = "alice",
        reason: str | None = None,
        known: Sequence[IntentStatus] = (IntentStatus.ACCEPTED, IntentStatus.APPLIED),
        finish: bool = True,
        **facts: Any,
    ) -> str:
        """One run: each step is an address and a signed amount; ``known`` is what becomes of each. The run's id."""
        self.number += 1
        run_id = f"run{self.number:04d}"

        async def go(journal: Journal) -> None:
            await journal.append(self._started(actor, reason, facts), durable=False)
            await journal.append(
                NoteRecord(what="planned", details=PlanNote(plan_id="p1", digest="sha256:abc")), durable=False
            )
            for place, amount in steps:
                await self._step(journal, f"{run_id}-{place}", place, Decimal(amount), known)
            if finish:
                await journal.append(self._finished(0), durable=True)

        asyncio.run(self._held(run_id, go))
        self.clock.now_ms += 2_000
        return run_id

    def refuse(self, key: str, message: str) -> str:
        """A run that was refused before the lock."""
        self.number += 1
        run_id = f"run{self.number:04d}"
        start = RunStart(account=self.account, actor="mallory")
        note = RefusalNote(start=start, host="h", command="apply", key=key, message=message)

        async def go(journal: Journal) -> None:
            await journal.append(NoteRecord(what=note.what, details=note), durable=True)

        asyncio.run(self._held(run_id, go))
        return run_id

    def settle(self, intent_id: str, known: IntentStatus, after: str | None) -> str:
        """A run that learns what became of an earlier step, and nothing else."""
        self.number += 1
        run_id = f"run{self.number:04d}"
        if after is not None and known is IntentStatus.APPLIED:
            self.margins[intent_id.partition("-")[2]] = Decimal(after)

        async def go(journal: Journal) -> None:
            await journal.append(self._started("cron", None, {}), durable=False)
            outcome = Outcome(
                intent_id=intent_id, known=known, effect_ms=1, after=after, evidence="ledger row 77", claim="77"
            )
            await journal.append(outcome, durable=False)
            await journal.append(self._finished(0), durable=True)

        asyncio.run(self._held(run_id, go))
        return run_id

    def resolve(self, intent_id: str, *, applied: bool) -> str:
        """A person's word."""
        self.number += 1
        run_id = f"run{self.number:04d}"

        async def go(journal: Journal) -> None:
            started = self._started("bob", "seen in the app", {})
            await journal.append(replace(started, command="resolve"), durable=False)
            word = Resolved(intent_id=intent_id, applied=applied, reason="seen in the app", actor="bob", effect_ms=9)
            await journal.append(word, durable=False)
            await journal.append(RunFinished(details=RunEnd(exit_code=0)), durable=True)

        asyncio.run(self._held(run_id, go))
        return run_id

    async def _held(self, run_id: str, go: Any) -> None:
        holder: Mapping[str, str] = {"host": "h"}
        async with self.store.open(self.identity, run_id=run_id, holder=holder, timeout_ms=0) as journal:
            await go(journal)

    async def _step(
        self, journal: Journal, intent_id: str, place: str, amount: Decimal, known: Sequence[IntentStatus]
    ) -> None:
        now = self.clock.wall_ms()
        before = self.margins[place]
        wanted = before + amount
        await journal.append(
            Intent(
                intent_id=intent_id,
                step_id=f"s{self.number}",
                lane=place,
                address=Address.parse(place),
                action="add_margin" if amount > 0 else "reduce_margin",
                asset="USDT",
                amount=abs(amount),
                before=plain(before),
                wanted=plain(wanted),
                size=Decimal(1),
                identity=None,
                cursor=None,
                signed_at_ms=now + 7,
                fence_ms=now + 8_007,
            ),
            durable=True,
        )
        self.clock.now_ms += 120
        for each in known:
            after = plain(wanted) if each is IntentStatus.APPLIED else None
            message = "Successfully modify position margin." if each is IntentStatus.ACCEPTED else ""
            told = Outcome(
                intent_id=intent_id,
                known=each,
                effect_ms=now + 90,
                after=after,
                code="200" if message else None,
                message=message,
                evidence="" if after is None else f"{plain(before)} → {after} seen after the exchange said yes",
            )
            await journal.append(told, durable=False)
            if each is IntentStatus.APPLIED:
                self.margins[place] = wanted

    def _started(self, actor: str, reason: str | None, facts: Mapping[str, Any]) -> RunStarted:
        details = RunStart(
            actor=actor,
            reason=reason,
            tool_version="0.1.0",
            git_commit="4f2a9c",
            git_dirty=True,
            plan_id="p1",
            account=self.account,
            exchange="binance",
            endpoint="sandbox",
            state_file="states/desk.toml",
            state_sha256="ab" * 32,
            policy={"max_add": "5000"},
        )
        return RunStarted(host="runner-1", command="apply", details=replace(details, **facts))

    def _finished(self, code: int) -> RunFinished:
        live = {
            place: {
                "isolated_margin": plain(margin),
                "asset": "USDT",
                "mark_price": "10000",
                "liquidation_price": plain(Decimal(10000) - margin if place == LONG else Decimal(10000) + margin),
            }
            for place, margin in self.margins.items()
        }
        return RunFinished(
            details=run_end.read(
                {
                    "exit_code": code,
                    "errors": [],
                    "error_keys": [],
                    "declared": {place: plain(margin) for place, margin in self.declared.items()},
                    "tolerance": {place: plain(margin / 200) for place, margin in self.declared.items()},
                    "out_of_place": [],
                    "live": live,
                    "live_at_ms": self.clock.wall_ms(),
                }
            )
        )


def a_month(store: Store, clock: Calendar) -> Desk:
    """Every kind of thing that can happen, in one journal."""
    desk = Desk(store=store, clock=clock)
    desk.apply((LONG, "300"), reason="weekly review")
    for day in range(24):
        desk.wait(24)
        desk.margins[LONG] -= Decimal("1.37")
        desk.margins[SHORT] += Decimal("0.42")
        if day == 6:
            desk.margins[LONG] -= 240
            desk.apply((LONG, "249.59"), reason=HOSTILE)
        elif day == 11:
            desk.declared[LONG] = Decimal(2100)
            desk.apply((LONG, "606.85"), actor="bob", reason="risk asked for more")
        elif day == 15:
            desk.refuse("frozen", "starting desk: frozen: incident 7; remove the freeze to go on")
        elif day == 17:
            desk.apply((SHORT, "-100"), known=(IntentStatus.REFUSED,), reason="too early")
        elif day == 20:
            desk.apply((SHORT, "55"), known=(IntentStatus.UNKNOWN,))
        else:
            desk.apply(actor="cron")
    return desk
