"""A position near its liquidation price is told once, and once more when it is away again."""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from reconcile.usecases.watch.news import KINDS
from tests.kit.cli import run
from tests.kit.scene import Scene, desired, play
from tests.usecases.watch.test_watch import ETH, IN_SYNC, LONG, Vigil, declare

MARK = Decimal(60500)
"""The demo account's BTCUSDT; its long position is liquidated at 54216.867 with 3000 behind it, 10.4 % away."""


def told(prices: Mapping[int, str], *, near: str | None = "0.05", **settings: object) -> list[tuple[str, str | None]]:
    """Kind and state of each piece of news of BTCUSDT.long; ``prices`` are set before that look.

    The demo account has it at a mark of 60500 and is liquidated at 54216.867, 10.4 % away.
    """
    vigil = watch_at(prices, near=near, **settings)
    return [(news.kind, news.after) for news in vigil.news if news.address == LONG]


def watch_at(prices: Mapping[int, str], *, near: str | None = "0.05", **settings: object) -> Vigil:
    given: dict[str, Any] = {"needed": 1, "of": 1, "rounds": 8, **settings}
    vigil = Vigil(near=None if near is None else Decimal(near), **given)
    scene = Scene()
    vigil.between = {look: priced(scene, price) for look, price in prices.items()}
    play(vigil, scene)
    return vigil


def priced(scene: Scene, price: str) -> Callable[[], None]:
    return lambda: scene.place.books.set_mark("BTCUSDT", Decimal(price), now_ms=scene.now_ms())


def test_coming_near_is_told_once_and_so_is_being_away() -> None:
    assert told({2: "56900", 6: "60500"}) == [("near_liquidation", "near_liquidation"), ("recovered", "away")]


def test_far_from_liquidation_there_is_no_news() -> None:
    assert told({2: "58000"}) == []


def test_a_price_at_the_limit_is_not_told_again_and_again() -> None:
    around = {1: "57000", 2: "57100", 3: "57000", 4: "57100", 5: "57200"}
    assert told(around) == [("near_liquidation", "near_liquidation")]


def test_one_look_of_three_is_not_believed() -> None:
    assert told({2: "56900", 3: "60500"}, needed=2, of=3) == []
    assert told({2: "56900"}, needed=2, of=3) == [("near_liquidation", "near_liquidation")]


def test_it_can_be_switched_off() -> None:
    assert told({2: "56900"}, near=None) == []


def test_the_words_have_distance_prices_and_limit() -> None:
    (news,) = (news for news in watch_at({2: "56900"}).news if news.kind == "near_liquidation")
    assert news.message == "4.7% from its liquidation price 54216.867 (mark 56900), nearer than 5.0%"
    assert (news.before, news.after) == ("away", "near_liquidation")


def test_what_is_near_from_the_start_is_told() -> None:
    assert told({0: "56900"}) == [("near_liquidation", "near_liquidation")]


def test_a_position_that_was_closed_has_not_recovered() -> None:
    vigil = Vigil(near=Decimal("0.05"), needed=1, of=1, rounds=6)
    scene = Scene()
    vigil.between = {1: priced(scene, "56900"), 3: lambda: close(scene)}
    play(vigil, scene)
    assert [(n.kind, n.after) for n in vigil.news if n.address == LONG] == [
        ("near_liquidation", "near_liquidation"),
        ("waiting", "waiting"),
    ]


def close(scene: Scene) -> None:
    scene.place.books.close_position("BTCUSDT", "long", now_ms=scene.now_ms())


def test_a_position_that_no_file_declares_is_told_too() -> None:
    vigil = Vigil([desired({ETH: IN_SYNC[ETH]})], near=Decimal("0.05"), needed=1, of=1, rounds=4)
    scene = Scene()
    vigil.between = {2: priced(scene, "56900")}
    play(vigil, scene)
    assert [news.kind for news in vigil.news if news.address == LONG] == ["near_liquidation"]


@pytest.mark.parametrize("text", ["5", "100%", "-1%", "near", ""])
def test_the_limit_is_a_percentage_below_100(text: str, tmp_path: Path) -> None:
    ended = run(tmp_path, "watch", declare(tmp_path), "--rounds", "1", f"--near-liquidation={text}")
    assert (ended.code, "--near-liquidation" in ended.err) == (64, True)


def test_the_command_takes_it(tmp_path: Path) -> None:
    words = ("watch", declare(tmp_path, "3000"), "--rounds", "1", "--debounce", "1/1", "--near-liquidation", "11%")
    ended = run(tmp_path, *words)
    assert ended.code == 0
    assert re.search(r"demo BTCUSDT.long: near_liquidation: 10\.4% from its liquidation price", ended.out)


def test_the_page_names_every_kind() -> None:
    text = (Path(__file__).parents[3] / "docs" / "notify.md").read_text(encoding="utf-8")
    table = text.partition("| Kind |")[2].partition("\n\n")[0]
    assert set(re.findall(r"`(\w+)`", "".join(row.split("|")[1] for row in table.splitlines()[2:]))) == set(KINDS)
