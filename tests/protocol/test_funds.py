"""The free balance shared by all lanes: what a look cannot have seen counts, and nothing else does."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from reconcile.protocol.funds import Reservation

GRACE_MS = 100
FREE = Decimal(1000)
KEYS = ("a", "b", "c")


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """One thing that happens to an addition, at a time."""

    what: str
    key: str
    amount: int
    at_ms: int


DEEDS = st.builds(
    Deed,
    what=st.sampled_from(("take", "done", "release", "look")),
    key=st.sampled_from(KEYS),
    amount=st.integers(1, 50),
    at_ms=st.integers(0, 400),
)


def counted_anew(deeds: Sequence[Deed], sent_at_ms: int) -> Decimal:
    """What is free by the rule itself: every addition looked at, one by one."""
    taken: dict[str, tuple[int, int | None]] = {}
    for deed in deeds:
        match deed.what:
            case "take":
                taken[deed.key] = (deed.amount, None)
            case "done" if deed.key in taken:
                taken[deed.key] = (taken[deed.key][0], deed.at_ms)
            case "release":
                taken.pop(deed.key, None)
    unseen = [amount for amount, effect in taken.values() if effect is None or sent_at_ms <= effect + GRACE_MS]
    return FREE - sum(unseen)


@given(st.lists(DEEDS, max_size=40))
def test_what_is_free_is_what_the_rule_says_whatever_happened_in_whatever_order(deeds: list[Deed]) -> None:
    reservation = Reservation(grace_ms=GRACE_MS, minimum=lambda _: None)
    for number, deed in enumerate(deeds):
        match deed.what:
            case "take":
                reservation.take(deed.key, "USDT", Decimal(deed.amount))
            case "done":
                reservation.done(deed.key, effect_ms=deed.at_ms)
            case "release":
                reservation.release(deed.key)
            case _:
                free = reservation.free({"USDT": FREE}, "USDT", sent_at_ms=deed.at_ms)
                assert free == counted_anew(deeds[:number], deed.at_ms)


def test_assets_do_not_share_a_balance_and_the_minimum_stays() -> None:
    reservation = Reservation(grace_ms=GRACE_MS, minimum=lambda asset: Decimal(10) if asset == "BTC" else None)
    reservation.take("a", "USDT", Decimal(400))
    free = {asset: reservation.free({"USDT": FREE, "BTC": FREE}, asset, sent_at_ms=1) for asset in ("USDT", "BTC")}
    assert free == {"USDT": Decimal(600), "BTC": Decimal(990)}
