"""Somebody who keeps undoing us is met with longer and longer waits, and after a limit with none at all."""

from decimal import Decimal

from reconcile.usecases.watch.contention import LONGEST_MS, MEMORY_MS, Contention

MINUTE = 60_000
WANTED = Decimal(1500)


def undone(times: int, *, limit: int = 5) -> Contention[str]:
    undoing: Contention[str] = Contention(interval_ms=MINUTE, limit=limit)
    for _ in range(times):
        undoing.applied("key", WANTED, 0)
        undoing.changed("key", WANTED, MINUTE)
    return undoing


def test_a_first_change_may_be_applied_at_once() -> None:
    undoing: Contention[str] = Contention(interval_ms=MINUTE, limit=5)
    assert undoing.changed("key", WANTED, 0) == 0
    assert undoing.may_apply("key", WANTED, 0)


def test_each_undoing_doubles_the_wait() -> None:
    assert [undone(times).waits_ms("key", MINUTE) for times in range(1, 5)] == [
        2 * MINUTE,
        4 * MINUTE,
        8 * MINUTE,
        16 * MINUTE,
    ]


def test_nothing_is_tried_while_it_waits_and_it_is_tried_after() -> None:
    undoing = undone(1)
    assert not undoing.may_apply("key", WANTED, 3 * MINUTE - 1)
    assert undoing.may_apply("key", WANTED, 3 * MINUTE)


def test_an_undoing_is_counted_once_however_often_it_is_looked_at() -> None:
    undoing = undone(1)
    assert undoing.changed("key", WANTED, 2 * MINUTE) == 0
    assert undoing.undone("key") == 1


def test_at_the_limit_it_is_left_alone_for_ever() -> None:
    undoing = undone(5)
    assert undoing.gave_up("key")
    assert not undoing.may_apply("key", WANTED, 10**12)


def test_what_lasted_is_forgiven() -> None:
    undoing = undone(4)
    undoing.applied("key", WANTED, 0)
    assert undoing.changed("key", WANTED, MEMORY_MS) == 0
    assert undoing.may_apply("key", WANTED, MEMORY_MS + 16 * MINUTE)


def test_another_declared_margin_starts_afresh() -> None:
    undoing = undone(5)
    assert undoing.may_apply("key", Decimal(1600), 0)
    assert not undoing.gave_up("key")


def test_failures_wait_longer_each_time_up_to_an_hour() -> None:
    undoing: Contention[str] = Contention(interval_ms=MINUTE, limit=5)
    waits = []
    for _ in range(8):
        undoing.failed("key", WANTED, 0)
        waits.append(undoing.waits_ms("key", 0))
    assert waits[:3] == [2 * MINUTE, 4 * MINUTE, 8 * MINUTE]
    assert waits[-1] == LONGEST_MS


def test_a_success_ends_the_failures() -> None:
    undoing: Contention[str] = Contention(interval_ms=MINUTE, limit=5)
    undoing.failed("key", WANTED, 0)
    undoing.applied("key", WANTED, 0)
    undoing.failed("key", WANTED, 0)
    assert undoing.waits_ms("key", 0) == 2 * MINUTE


def test_what_is_forgotten_was_never_undone() -> None:
    undoing = undone(5)
    undoing.forget("key")
    assert (undoing.undone("key"), undoing.gave_up("key"), undoing.waits_ms("key", 0)) == (0, False, 0)
