"""The metrics of a watch: each family with its kind, its help and its samples. docs/metrics.md lists them all.

Amounts are written from their exact decimals. A counter is there from the first round, at 0, so that a rate over it
sees its first step.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from reconcile.model.plan import Entry, MoveMargin, OutcomeKind, Status
from reconcile.money import plain
from reconcile.render.metrics.snapshot import AccountSnapshot, Snapshot

Labels = Mapping[str, str]
Sample = tuple[Labels, str]
Family = tuple[str, str, str, Sequence[Sample]]
"""Name, kind (``counter`` or ``gauge``), help, samples."""


def families(snapshot: Snapshot) -> Iterable[Family]:
    """Each family with its name, kind, help and samples; values are decimals as text."""
    return (*_watch(snapshot), *_accounts(snapshot))


def _watch(snapshot: Snapshot) -> Iterable[Family]:
    seconds = _seconds(snapshot.at_ms)
    yield "reconcile_watch_rounds_total", "counter", "Rounds since the watch began.", [({}, str(snapshot.rounds))]
    yield "reconcile_watch_round_timestamp_seconds", "gauge", "When the last round ended.", [({}, seconds)]


def _accounts(snapshot: Snapshot) -> Iterable[Family]:
    by_name = [({"account": account.plan.desired.name}, account) for account in snapshot.accounts]
    yield from _standing(by_name)
    yield (
        "reconcile_entries",
        "gauge",
        "Addresses by status.",
        [
            ({**name, "status": status.value}, str(sum(1 for e in account.plan.entries if e.status is status)))
            for name, account in by_name
            if account.plan.observed is not None
            for status in Status
        ],
    )
    yield "reconcile_available", "gauge", "Free balance.", _available(by_name)
    yield from _margins(by_name)
    yield from _done(by_name)
    yield (
        "reconcile_undone",
        "gauge",
        "How often in a row a change of this watch was undone.",
        [
            ({**name, "address": address}, str(count))
            for name, account in by_name
            for address, count in sorted(account.undone.items())
        ],
    )
    yield (
        "reconcile_gave_up",
        "gauge",
        "1 where this watch stopped applying because it kept being undone.",
        [({**name, "address": address}, "1") for name, account in by_name for address in sorted(account.gave_up)],
    )


def _done(by_name: "_Named") -> Iterable[Family]:
    """The acts of this watch: runs, steps, requests, and the locks that it met."""
    yield (
        "reconcile_runs_total",
        "counter",
        "Applies and settlements of this watch by exit code.",
        [
            ({**name, "exit_code": str(code)}, str(account.runs.get(code, 0)))
            for name, account in by_name
            for code in sorted({0, *account.runs})
        ],
    )
    yield (
        "reconcile_steps_total",
        "counter",
        "Steps of this watch by outcome.",
        [
            ({**name, "outcome": outcome.value}, str(account.steps.get(outcome.value, 0)))
            for name, account in by_name
            for outcome in OutcomeKind
        ],
    )
    yield (
        "reconcile_requests_total",
        "counter",
        "Requests to the exchange: signed reads, public reads, writes.",
        [
            ({**name, "kind": kind}, str(account.requests.get(kind, 0)))
            for name, account in by_name
            for kind in ("read", "public", "write")
        ],
    )
    yield (
        "reconcile_throttles_total",
        "counter",
        "Answers of the exchange that a rate limit was hit.",
        [(name, str(account.throttles)) for name, account in by_name],
    )
    yield (
        "reconcile_lock_waits_total",
        "counter",
        "How often another run held the account when this watch wanted it.",
        [(name, str(account.lock_waits)) for name, account in by_name],
    )
    yield (
        "reconcile_lock_wait_seconds_total",
        "counter",
        "How long this watch waited for the account's lock (0 with --if-locked skip).",
        [(name, _seconds(account.lock_wait_ms)) for name, account in by_name],
    )


_Named = Sequence[tuple[Labels, AccountSnapshot]]


def _standing(by_name: _Named) -> Iterable[Family]:
    """Whether each account can be read and applied."""
    yield (
        "reconcile_account_up",
        "gauge",
        "1 where the account could be read in the last round.",
        [(name, _flag(account.plan.observed is not None)) for name, account in by_name],
    )
    yield (
        "reconcile_account_refused",
        "gauge",
        "1 where an account-wide limit or mode refuses the plan.",
        [(name, _flag(account.plan.observed is not None and bool(account.plan.errors))) for name, account in by_name],
    )
    yield (
        "reconcile_account_frozen",
        "gauge",
        "1 where applies are refused by a freeze.",
        [(name, _flag(account.is_frozen)) for name, account in by_name],
    )
    yield (
        "reconcile_account_locked",
        "gauge",
        "1 where another run holds an account that this watch has changes for.",
        [(name, _flag(account.is_locked)) for name, account in by_name],
    )
    yield (
        "reconcile_account_read_timestamp_seconds",
        "gauge",
        "When the account was last read.",
        [(name, _seconds(a.read_ms)) for name, a in by_name if a.read_ms is not None],
    )
    yield (
        "reconcile_last_good_run_timestamp_seconds",
        "gauge",
        "When the account was last read, not refused, and no apply of this watch had fallen short.",
        [(name, _seconds(a.good_ms)) for name, a in by_name if a.good_ms is not None],
    )


def _available(accounts: _Named) -> list[Sample]:
    return [
        ({**name, "asset": asset}, plain(amount))
        for name, account in accounts
        if account.plan.observed is not None
        for asset, amount in sorted(account.plan.observed.available.items())
    ]


def _margins(accounts: _Named) -> Iterable[Family]:
    places = [
        ({**name, "address": str(entry.address), "asset": entry.asset or ""}, entry)
        for name, account in accounts
        for entry in account.plan.entries
    ]
    yield (
        "reconcile_isolated_margin",
        "gauge",
        "Isolated margin of an open position.",
        [
            (place, plain(entry.observed.isolated_margin))
            for place, entry in places
            if entry.observed is not None and entry.observed.is_open
        ],
    )
    yield (
        "reconcile_declared_margin",
        "gauge",
        "Declared isolated margin.",
        [
            (place, plain(entry.target.isolated_margin))
            for place, entry in places
            if entry.target is not None and entry.target.isolated_margin is not None
        ],
    )
    yield (
        "reconcile_pending",
        "gauge",
        "What a plan would move, signed.",
        [(place, plain(_pending(entry))) for place, entry in places],
    )
    yield (
        "reconcile_liquidation_distance_ratio",
        "gauge",
        "How far the mark price is from the liquidation price.",
        [
            (place, plain(round(distance, 6)))
            for place, entry in places
            if entry.observed is not None
            and (distance := entry.observed.distance_to(entry.observed.liquidation_price)) is not None
        ],
    )
    yield from _measured(places)


def _measured(places: Sequence[tuple[Labels, Entry]]) -> Iterable[Family]:
    banded = [
        ({**place, "measure": entry.target.band.measure.value}, entry, entry.target.band.bounds)
        for place, entry in places
        if entry.target is not None and entry.target.band is not None
    ]
    yield (
        "reconcile_measure",
        "gauge",
        "A declared risk measure as observed; none where no mark price liquidates the position.",
        [(place, plain(round(entry.measure, 6))) for place, entry, _ in banded if entry.measure is not None],
    )
    yield (
        "reconcile_measure_floor",
        "gauge",
        "The floor of a declared risk measure: below it, margin is added.",
        [(place, plain(bounds.floor)) for place, _, bounds in banded],
    )
    yield (
        "reconcile_missing_balance",
        "gauge",
        "What the free balance lacks for an addition.",
        [(place, plain(entry.missing)) for place, entry in places if entry.missing is not None],
    )


def _pending(entry: Entry) -> Decimal:
    return sum((step.signed for step in entry.steps if isinstance(step, MoveMargin)), Decimal(0))


def _seconds(time_ms: int) -> str:
    return plain(Decimal(time_ms) / 1000)


def _flag(value: bool) -> str:  # noqa: FBT001 - a value, not a switch
    return "1" if value else "0"
