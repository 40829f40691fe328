"""A watch after a round, as its metrics show it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from reconcile.model.plan import AccountPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSnapshot:
    """One account after a round: ``plan`` is what the round read, ``steps`` counts our steps so far by outcome and
    ``runs`` our applies and settlements by exit code.

    ``is_locked`` says that another run holds what we were to apply. ``read_ms`` is when it was read last, ``good_ms``
    when it was last read with nothing against it and without an apply that failed (Unix time; None: never). ``undone``
    says how often in a row our change was undone, by address; ``gave_up`` where we stopped. ``requests`` are by kind,
    ``throttles`` the answers that a rate limit was hit; ``lock_waits`` counts how often another run held the account,
    ``lock_wait_ms`` how long we waited for it in all.
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
