"""A rehearsal: what is lost, what it needs and what stops it, without a write."""

from dataclasses import replace
from decimal import Decimal

import pytest

from reconcile.model.account import DesiredAccount
from reconcile.model.rehearsal import AccountRehearsal
from reconcile.render import rehearsal as render
from reconcile.render.schema.documents import MODELS
from reconcile.usecases.price_paths import worst_percents
from reconcile.usecases.rehearse import Shock, rehearse
from tests.kit.scene import Scene, desired, play
from tests.usecases.test_bands import LONG, banded

D = Decimal


def rehearsed(declared: DesiredAccount, share: str, *, paths: int = 0, over_ms: int = 600_000) -> AccountRehearsal:
    shock = Shock(share=D(share), over_ms=over_ms, paths=paths)

    async def act(scene: Scene) -> AccountRehearsal:
        (found,) = await rehearse(scene.world(), [declared], shock)
        return found

    found, scene = play(act)
    assert scene.moved_by_calls() == []
    assert scene.margin(LONG) == D(3000)
    return found


def fate(found: AccountRehearsal) -> tuple[bool, str | None]:
    assert found.rehearsal is not None
    (one,) = [each for each in found.rehearsal.fates if str(each.address) == LONG]
    return one.liquidated_at is not None, one.stopped_by


@pytest.mark.parametrize(
    ("declared", "share", "expected"),
    [
        (desired({LONG: "3000"}), "-0.05", (False, None)),
        (desired({LONG: "3000"}), "-0.12", (True, "amount")),
        (desired({"ETHUSDT.long": "1500"}), "-0.12", (True, "undeclared")),
        (banded(), "-0.12", (False, None)),
        (banded(at_most="3500"), "-0.15", (True, "at_most")),
        (banded(max_add=D(100)), "-0.15", (True, "max_add")),
        (banded(min_available=D(4900)), "-0.15", (True, "min_available")),
        (banded(), "0.25", (False, None)),
        (banded(aim="0.125", allow_reduce=True), "1.5", (False, None)),  # above the ceiling, margin is taken out
        (desired({LONG: "3000", "SOLUSDT.long": "300"}), "-0.05", (False, None)),  # a margin type changes as well
    ],
)
def test_a_position_is_lost_where_its_file_lets_it(
    declared: DesiredAccount, share: str, expected: tuple[bool, str | None]
) -> None:
    assert fate(rehearsed(declared, share)) == expected


def test_a_shock_between_two_rounds_is_too_fast_for_any_band() -> None:
    assert fate(rehearsed(banded(floor="0.02", aim="0.03"), "-0.12", over_ms=1)) == (True, "too fast")


def test_what_the_day_has_used_already_counts_in_a_rehearsal() -> None:
    limited = banded(max_day_add=D(2000))

    async def act(scene: Scene) -> tuple[AccountRehearsal, ...]:
        before = await rehearse(scene.world(), [limited], Shock(share=D("-0.12"), over_ms=600_000))
        await scene.apply(limited)
        scene.by_hand(LONG, "-1395")
        await scene.pass_time(60_000)
        return (*before, *await rehearse(scene.world(), [limited], Shock(share=D("-0.12"), over_ms=600_000, paths=9)))

    (before, after), _ = play(act)
    assert (fate(before)[1], fate(after)) == ("max_day_add", (True, "max_day_add"))
    assert before.rehearsal is not None
    assert after.rehearsal is not None
    assert (before.rehearsal.added, after.rehearsal.added) == ({"USDT": D(1445)}, {})
    assert after.paths is not None
    assert after.paths.with_liquidations == 9


def test_what_is_needed_is_told_whatever_is_free() -> None:
    found = rehearsed(banded(min_available=D(4900)), "-0.12").rehearsal
    enough = rehearsed(banded(), "-0.12").rehearsal
    assert found is not None
    assert enough is not None
    assert found.added == {}
    assert enough.added == enough.needed
    assert D(3000) < enough.needed["USDT"] < D(6000)


def test_paths_lose_more_than_the_straight_line_and_one_seed_is_one_set() -> None:
    declared = replace(banded(at_most="5000"))
    first, again = (rehearsed(declared, "-0.10", paths=200) for _ in range(2))
    assert first.paths == again.paths
    assert first.paths is not None
    assert first.paths.paths == 200
    assert first.paths.worst < D("-0.10")
    assert MODELS["rehearsal"].model_validate(render.document([first]))
    assert "200 paths" in render.text([first])


@pytest.mark.parametrize("shock", [-250_000, 250_000])
def test_every_path_ends_at_the_shock_or_beyond(shock: int) -> None:
    found = worst_percents(shock, paths=300, seed=3)
    assert sum(found.values()) == 300
    assert min(abs(percent) for percent in found) >= 25
