"""What counts against the limits of a day: every call of that UTC day, unless it is proven to have moved nothing."""

from dataclasses import replace
from decimal import Decimal

import pytest

from reconcile.journal.days import DAY_MS, DayTotals
from reconcile.journal.records import Intent, IntentStatus
from reconcile.planning.day_limits import DayUsed
from tests.kit.desk import D, at

NOON = 20_000 * DAY_MS + DAY_MS // 2
ADD = Intent(
    intent_id="1",
    step_id="s",
    lane="BTCUSDT.long",
    address=at("BTCUSDT.long"),
    action="add_margin",
    asset="USDT",
    amount=D(300),
    before="1200",
    wanted="1500",
    size=D(1),
    identity=None,
    cursor=None,
    signed_at_ms=NOON,
    fence_ms=NOON + 8_000,
)


def totals(*intents: Intent) -> DayTotals:
    made = DayTotals()
    for intent in intents:
        made.intent(intent)
    return made


def test_additions_are_summed_by_asset_and_every_call_is_a_change() -> None:
    found = totals(
        ADD,
        replace(ADD, intent_id="2", amount=D("0.5")),
        replace(ADD, intent_id="3", asset="BTC", amount=D(1)),
        replace(ADD, intent_id="4", action="reduce_margin"),
        replace(ADD, intent_id="5", action="set_margin_type", asset=None, amount=None),
    ).on(NOON)
    assert (dict(found.added), found.changes) == ({"USDT": Decimal("300.5"), "BTC": D(1)}, 5)


@pytest.mark.parametrize("known", list(IntentStatus))
def test_only_what_is_proven_to_have_moved_nothing_does_not_count(known: IntentStatus) -> None:
    made = totals(ADD)
    made.outcome("1", known)
    nothing = known in {IntentStatus.NOT_SENT, IntentStatus.REFUSED, IntentStatus.NOT_APPLIED}
    assert made.on(NOON).changes == (0 if nothing else 1)


def test_a_day_ends_at_midnight_utc_of_the_time_that_was_signed() -> None:
    made = totals(ADD)
    assert made.on(NOON + DAY_MS // 2 - 1).changes == 1
    assert made.on(NOON + DAY_MS // 2) == DayUsed()


def test_only_two_days_are_kept() -> None:
    made = totals(*(replace(ADD, intent_id=str(day), signed_at_ms=NOON + day * DAY_MS) for day in range(4)))
    assert [made.on(NOON + day * DAY_MS).changes for day in range(4)] == [0, 0, 1, 1]
