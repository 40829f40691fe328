"""Plans and results that show every kind of line."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from reconcile.model.account import (
    Address,
    DesiredAccount,
    MarginType,
    ObservedAccount,
    Policy,
    Position,
    PositionMode,
    Target,
    Tolerance,
)
from reconcile.model.plan import (
    AccountPlan,
    AccountResult,
    Entry,
    MoveMargin,
    OutcomeKind,
    Plan,
    PlanError,
    Result,
    SetMarginType,
    Status,
    Step,
    StepResult,
)

ISOLATED, CROSSED = MarginType.ISOLATED, MarginType.CROSSED
WHEN = 1_767_225_600_000  # 2026-01-01T00:00:00Z
TITLES = {"binance": "Binance USD-M"}


def target(address: str, margin: str | None, margin_type: MarginType = ISOLATED, line: int = 12) -> Target:
    """A declared position with a tolerance of half a percent."""
    return Target(
        address=Address.parse(address),
        margin_type=margin_type,
        isolated_margin=None if margin is None else Decimal(margin),
        tolerance=Tolerance(value=Decimal("0.5"), percent=True),
        line=line,
    )


def position(address: str, margin: str, *, kind: MarginType = ISOLATED) -> Position:
    """An open position."""
    return Position(
        address=Address.parse(address),
        asset="USDT",
        margin_type=kind,
        isolated_margin=Decimal(margin),
        size=Decimal("0.5"),
        mark_price=Decimal(50_000),
        liquidation_price=Decimal("48012.345"),
    )


def move(step_id: str, address: str, before: str, after: str) -> MoveMargin:
    """A step from one margin to another."""
    change = Decimal(after) - Decimal(before)
    return MoveMargin(
        step_id=step_id,
        address=Address.parse(address),
        asset="USDT",
        amount=abs(change),
        before=Decimal(before),
        after=Decimal(after),
        tolerance=Decimal(after) * Decimal("0.005"),
        action="add_margin" if change > 0 else "reduce_margin",
        liquidation_price_before=Decimal("48012.345678912"),
        liquidation_price_after=Decimal("47100.1"),
        liquidation_distance_before=Decimal("0.0397"),
        liquidation_distance_after=Decimal("0.058"),
    )


def entry(
    address: str,
    status: Status,
    *,
    declared: Target | None = None,
    live: Position | None = None,
    steps: Sequence[Step] = (),
    wanted: Step | None = None,
    blocked_by: str | None = None,
    reason: str = "",
    observed_type: MarginType | None = ISOLATED,
    asset: str | None = "USDT",
) -> Entry:
    """One line of a plan."""
    return Entry(
        address=Address.parse(address),
        status=status,
        asset=asset,
        target=declared,
        observed=live,
        observed_type=observed_type,
        blocked_by=blocked_by,
        reason=reason,
        steps=tuple(steps),
        wanted=wanted,
    )


def every_entry() -> tuple[Entry, ...]:
    """One entry of each kind."""
    typed = SetMarginType(step_id="s3", address=Address.parse("XRPUSDT.long"), before=CROSSED, after=ISOLATED)
    return (
        entry(
            "BTCUSDT.long",
            Status.CHANGE,
            declared=target("BTCUSDT.long", "1500"),
            live=position("BTCUSDT.long", "1200"),
            steps=[move("s1", "BTCUSDT.long", "1200", "1500")],
        ),
        entry(
            "ETHUSDT.short",
            Status.CHANGE,
            declared=target("ETHUSDT.short", "900.50"),
            live=position("ETHUSDT.short", "1000.75"),
            steps=[move("s2", "ETHUSDT.short", "1000.75", "900.50")],
        ),
        entry(
            "XRPUSDT.long",
            Status.CHANGE,
            declared=target("XRPUSDT.long", None),
            steps=[typed],
            observed_type=CROSSED,
        ),
        entry(
            "DOGEUSDT.long",
            Status.BLOCKED,
            declared=target("DOGEUSDT.long", "90000", line=31),
            live=position("DOGEUSDT.long", "900"),
            wanted=move("s4", "DOGEUSDT.long", "900", "90000"),
            blocked_by="max_margin",
            reason="90000 USDT would be over max_margin 100% of the position's notional 25000; declare less",
        ),
        entry("SOLUSDT.short", Status.WAITING, declared=target("SOLUSDT.short", "50"), reason="no open position"),
        entry(
            "ADAUSDT.long",
            Status.IN_SYNC,
            declared=target("ADAUSDT.long", "50.123"),
            live=position("ADAUSDT.long", "50.12"),
        ),
        entry(
            "LTCUSDT.long",
            Status.HELD,
            declared=target("LTCUSDT.long", "70"),
            live=position("LTCUSDT.long", "50"),
            reason="an earlier step is unknown",
        ),
        entry(
            "BNBUSDT.long",
            Status.UNMANAGED,
            live=position("BNBUSDT.long", "77"),
            reason="not declared in any state file",
        ),
    )


def desired(entries: Sequence[Entry], *, name: str = "main", policy: Policy | None = None) -> DesiredAccount:
    """The account that declares these entries."""
    return DesiredAccount(
        name=name,
        exchange="binance",
        position_mode=PositionMode.HEDGE,
        endpoint="live",
        product=None,
        credentials="MAIN",
        targets=tuple(item.target for item in entries if item.target is not None),
        policy=policy or Policy(max_add={"USDT": Decimal(5000)}, max_changes=50),
        amount_step=None,
        grace_ms=None,
        path=f"states/{name}.toml",
        sha256="ab" * 32,
        lines={"policy.max_total_add": 9},
    )


def account(
    entries: Sequence[Entry] | None = None, *, errors: Sequence[PlanError] = (), exit_code: int = 0, name: str = "main"
) -> AccountPlan:
    """One account's plan, read at ``WHEN``."""
    listed = every_entry() if entries is None else tuple(entries)
    observed = ObservedAccount(
        sent_at_ms=WHEN,
        position_mode=PositionMode.HEDGE,
        uid=None,
        multi_assets=False,
        account_block=None,
        available={"USDT": Decimal(8000), "BTC": Decimal("0.5")},
        positions={item.address: item.observed for item in listed if item.observed is not None},
        symbols={},
    )
    return AccountPlan(
        desired=desired(listed, name=name),
        identity="binance-live-key-0123",
        observed=observed,
        observed_wall_ms=WHEN + 123,
        entries=listed,
        order=() if errors else tuple(step.step_id for item in listed for step in item.steps),
        available_after={"USDT": Decimal("7800.25"), "BTC": Decimal("0.5")},
        errors=tuple(errors),
        exit_code=exit_code,
    )


def plan(*accounts: AccountPlan, overrides: Mapping[str, str] | None = None) -> Plan:
    """A plan over these accounts (default: the one with every kind of entry)."""
    return Plan(
        plan_id="1471305b855e7ab1",
        tool_version="0.1.0",
        created_ms=WHEN,
        expires_ms=WHEN + 3_600_000,
        git_commit=None,
        overrides=overrides or {},
        accounts=accounts or (account(),),
    )


def step_result(
    step_id: str,
    address: str,
    outcome: OutcomeKind,
    *,
    action: str = "add_margin",
    amount: str | None = None,
    before: str | None = None,
    after: str | None = None,
    evidence: str = "",
    detail: str = "",
) -> StepResult:
    """How one step ended."""
    return StepResult(
        step_id=step_id,
        address=Address.parse(address),
        action=action,
        outcome=outcome,
        amount=None if amount is None else Decimal(amount),
        before=before,
        after=after,
        evidence=evidence,
        detail=detail,
    )


def every_outcome() -> tuple[StepResult, ...]:
    """One step of each outcome."""
    kind = OutcomeKind
    return (
        step_result(
            "s3",
            "XRPUSDT.long",
            kind.APPLIED,
            action="set_margin_type",
            before="crossed",
            after="isolated",
            evidence="seen",
        ),
        step_result("s1", "BTCUSDT.long", kind.UNKNOWN, amount="300", before="1200", evidence="two ledger rows fit"),
        step_result(
            "s2",
            "ETHUSDT.short",
            kind.APPLIED,
            action="reduce_margin",
            amount="100.25",
            before="1000.75",
            after="900.5",
            evidence="ledger row 77",
        ),
        step_result("s5", "LINKUSDT.long", kind.REFUSED, amount="5", before="10", detail="-2019: not enough balance"),
        step_result("s6", "UNIUSDT.long", kind.ACCEPTED, amount="5", before="10", evidence="not seen yet"),
        step_result("s7", "DOTUSDT.long", kind.SKIPPED, detail="stale: 10 became 40"),
    )


def account_result(
    steps: Sequence[StepResult], *, exit_code: int, remaining: Sequence[Entry] = (), errors: Sequence[PlanError] = ()
) -> AccountResult:
    """How one account ended."""
    return AccountResult(
        plan=account(),
        exit_code=exit_code,
        errors=tuple(errors),
        converged=exit_code == 0,
        journal_head="f" * 64,
        requests={"read": 3, "public": 1, "write": len(steps)},
        steps=tuple(steps),
        remaining=tuple(remaining),
    )


def result(*accounts: AccountResult, exit_code: int) -> Result:
    """How one apply ended."""
    return Result(
        run_id="8039a37f3fc0a6c7",
        plan_id="1471305b855e7ab1",
        started_ms=WHEN,
        finished_ms=WHEN + 9_000,
        exit_code=exit_code,
        actor="pat@desk",
        reason=None,
        git_commit=None,
        overrides={},
        accounts=accounts,
    )


def every_result() -> Result:
    """A result with every outcome and everything that can remain."""
    gone = {Status.IN_SYNC, Status.CHANGE, Status.UNMANAGED}
    remaining = [item for item in every_entry() if item.status not in gone]
    return result(account_result(every_outcome(), exit_code=5, remaining=remaining), exit_code=5)
