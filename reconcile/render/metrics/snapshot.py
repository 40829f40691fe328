"""A watch after a round, as its metrics show it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from reconcile.model.plan import AccountPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSnapshot:
    """One account after a round. ``plan`` is the plan of the round. ``steps`` counts our steps so far by outcome,
    ``runs`` our applies and settlements by exit code.

    ``is_locked`` says that another run holds an account that we have changes for. ``read_ms`` is the time of the last
    read. ``good_ms`` is that of the last read that was not refused and followed no failed apply (Unix time; None:
    never). ``undone`` counts by address how often in a row our change was undone; ``gave_up`` names the addresses where
    we stopped. ``requests`` are by kind. ``throttles`` counts the answers that a rate limit was hit. ``lock_waits``
    counts how often another run held the account; ``lock_wait_ms`` is the total wait for it.
    """

    plan: AccountPlan
    is_frozen: bool
    is_locked: bool = False
    read_ms: int | None = None
    good_ms: int | None = None
    runs: Mapping[int, int] = field(default_factory=dict)
    steps: Mapping[str, int] = field(default_factory=dict)
    undone: Mapping[str, int] = field(default_factory=dict)
    gave_up: frozenset[str] = frozenset()
    requests: Mapping[str, int] = field(default_factory=dict)
    throttles: int = 0
    lock_waits: int = 0
    lock_wait_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A watch after a round; ``at_ms`` is Unix time."""

    rounds: int
    at_ms: int
    accounts: tuple[AccountSnapshot, ...]
