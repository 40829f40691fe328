"""Metrics of a watch as a Prometheus text file (format 0.0.4), for the node exporter's textfile collector.

Amounts are written from their exact decimals. A watch that died is noticed by the age of
``reconcile_watch_round_timestamp_seconds``.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from reconcile.model.plan import AccountPlan, Entry, MoveMargin, Status
from reconcile.money import plain

Labels = Mapping[str, str]
Sample = tuple[Labels, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSnapshot:
    """One account after a round: ``plan`` is what the round read, ``steps`` counts our steps so far by outcome.

    ``is_locked`` says that another run holds what we were to apply, ``read_ms`` when it was read last (Unix time).
    ``undone`` says how often in a row our change was undone, by address; ``gave_up`` where we stopped.
    """

    plan: AccountPlan
    is_frozen: bool
    is_locked: bool = False
    read_ms: int | None = None
    steps: Mapping[str, int] = field(default_factory=dict)
    undone: Mapping[str, int] = field(default_factory=dict)
    gave_up: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A watch after a round; ``at_ms`` is Unix time."""

    rounds: int
    at_ms: int
    accounts: tuple[AccountSnapshot, ...]


def exposition(snapshot: Snapshot) -> str:
    """The whole file."""
    return "".join(_family(name, kind, text, samples) for name, kind, text, samples in families(snapshot))


_Family = tuple[str, str, str, Sequence[Sample]]


def families(snapshot: Snapshot) -> Iterable[_Family]:
    """Each family with its name, kind, help and samples; values are decimals as text."""
    return (*_watch(snapshot), *_accounts(snapshot))


def _watch(snapshot: Snapshot) -> Iterable[_Family]:
    seconds = _seconds(snapshot.at_ms)
    yield "reconcile_watch_rounds_total", "counter", "Rounds since the watch began.", [({}, str(snapshot.rounds))]
    yield "reconcile_watch_round_timestamp_seconds", "gauge", "When the last round ended.", [({}, seconds)]


def _accounts(snapshot: Snapshot) -> Iterable[_Family]:
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
    yield (
        "reconcile_steps_total",
        "counter",
        "Steps of this watch by outcome.",
        [
            ({**name, "outcome": outcome}, str(count))
            for name, account in by_name
            for outcome, count in sorted(account.steps.items())
        ],
    )
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


_Named = Sequence[tuple[Labels, AccountSnapshot]]


def _standing(by_name: _Named) -> Iterable[_Family]:
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


def _available(accounts: _Named) -> list[Sample]:
    return [
        ({**name, "asset": asset}, plain(amount))
        for name, account in accounts
        if account.plan.observed is not None
        for asset, amount in sorted(account.plan.observed.available.items())
    ]


def _margins(accounts: _Named) -> Iterable[_Family]:
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


def _measured(places: Sequence[tuple[Labels, Entry]]) -> Iterable[_Family]:
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


def _family(name: str, kind: str, text: str, samples: Sequence[Sample]) -> str:
    """One family with its head; none at all without samples."""
    if not samples:
        return ""
    lines = [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
    lines += [f"{name}{_labels(labels)} {value}" for labels, value in samples]
    return "\n".join(lines) + "\n"


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{key}="{_escaped(value)}"' for key, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
