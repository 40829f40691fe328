"""The books: money is never made or lost, and every change is told."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconcile.sandbox.books import Books
from reconcile.sandbox.books_json import dump_books, load_books
from reconcile.sandbox.rules import Rules
from reconcile.sandbox.values import (
    HUMAN,
    BookPosition,
    BooksBroken,
    Denied,
    Market,
    Refusal,
    RequestOrigin,
    Setting,
    brackets,
)
from tests.kit.binance_client import NOW, D, demo_books

SYMBOLS = ("BTCUSDT", "BTCUSDT", "BTCUSDT", "ETHUSDT", "ADAUSDT", "SOLUSDT", "XRPUSDT")
amounts = st.decimals(min_value=D("-300"), max_value=D("900"), places=8)
sizes = st.decimals(min_value=D("0.001"), max_value=D("5"), places=3)


def operation(kind: str, symbol: str, side: str, amount: Decimal, size: Decimal) -> Callable[[Books, int], object]:
    """One operation on a book, at a time."""
    table: dict[str, Callable[[Books, int], object]] = {
        "move": lambda books, now: books.move_margin(
            symbol, side, amount, now_ms=now, by=RequestOrigin(actor="api", request=now)
        ),
        "human": lambda books, now: books.move_margin(symbol, side, amount, now_ms=now, by=HUMAN),
        "auto": lambda books, now: books.auto_add(symbol, side, abs(amount), now_ms=now),
        "fund": lambda books, now: books.fund(symbol, side, amount / 100, now_ms=now),
        "open": lambda books, now: books.open_position(symbol, side, size, now_ms=now),
        "close": lambda books, now: books.close_position(symbol, side, now_ms=now),
        "part": lambda books, now: books.close_position(symbol, side, size=size, now_ms=now),
        "reopen": lambda books, now: books.reopen(symbol, side, now_ms=now),
        "mark": lambda books, now: books.set_mark(symbol, abs(amount) + 1, now_ms=now),
        "type": lambda books, now: books.set_margin_type(
            symbol, "crossed" if size > 2 else "isolated", now_ms=now, by=HUMAN
        ),
        "leverage": lambda books, now: books.set_leverage(symbol, size + 1, now_ms=now),
        "deposit": lambda books, now: books.deposit("USDT", amount, now_ms=now),
    }
    return table[kind]


KINDS = ["move", "human", "auto", "fund", "open", "close", "part", "reopen", "mark", "type", "leverage", "deposit"]
operations = st.lists(
    st.builds(
        operation, st.sampled_from(KINDS), st.sampled_from(SYMBOLS), st.sampled_from(["long", "short"]), amounts, sizes
    ),
    min_size=10,
    max_size=40,
)


def state(books: Books) -> tuple[object, ...]:
    """Everything an operation can change."""
    counts = (len(books.rows), len(books.effects), books.revision, books.now_ms)
    return (
        dict(books.wallet),
        dict(books.cross),
        dict(books.positions),
        dict(books.settings),
        dict(books.markets),
        counts,
    )


@given(operations)
@settings(max_examples=150, deadline=None)
def test_no_sequence_of_operations_makes_or_loses_money(sequence: list[Callable[[Books, int], object]]) -> None:
    books, came_in = demo_books(), D(0)
    for number, act in enumerate(sequence):
        before, rows, wallet = state(books), len(books.rows), books.wallet["USDT"]
        try:
            act(books, NOW + number)
        except Denied:
            assert state(books) == before
        if len(books.rows) == rows:  # a deposit is the one way in that is no row of a position
            came_in += books.wallet["USDT"] - wallet
    isolated = sum((position.margin for position in books.positions.values()), D(0))
    paid = sum((row.paid for row in books.rows), D(0))
    assert books.wallet["USDT"] - books.cross["USDT"] == isolated
    assert books.wallet["USDT"] == D(14155) + came_in + paid
    assert min(books.cross["USDT"], *(position.margin for position in books.positions.values()), D(0)) == 0


@given(operations)
@settings(max_examples=100, deadline=None)
def test_replaying_the_effects_gives_every_margin(sequence: list[Callable[[Books, int], object]]) -> None:
    books = demo_books()
    for number, act in enumerate(sequence):
        try:
            act(books, NOW + number)
        except Denied:
            continue
    replayed: dict[tuple[str, str, str], Decimal] = {}
    for effect in books.effects:
        if effect.cause != "type":
            key = (effect.symbol, effect.side, effect.margin_type)
            replayed[key] = replayed.get(key, D(0)) + effect.change
            assert replayed[key] == effect.margin
    held = {key: position.margin for key, position in books.positions.items() if position.margin}
    assert {key: margin for key, margin in replayed.items() if margin} == held


@given(operations)
@settings(max_examples=50, deadline=None)
def test_books_come_back_from_json_as_they_were(sequence: list[Callable[[Books, int], object]]) -> None:
    books = demo_books()
    for number, act in enumerate(sequence):
        try:
            act(books, NOW + number)
        except Denied:
            continue
    assert dump_books(load_books(dump_books(books), books.rules)) == dump_books(books)


def test_a_broken_book_says_so() -> None:
    books = demo_books()
    books.cross["USDT"] += 1
    with pytest.raises(BooksBroken, match="isolated margins"):
        books.deposit("USDT", D(1), now_ms=NOW)


REFUSED: list[tuple[Callable[[Books], object], Refusal]] = [
    (lambda books: books.move_margin("NOPE", "long", D(1), now_ms=NOW, by=HUMAN), Refusal.NO_SYMBOL),
    (lambda books: books.move_margin("BTCUSDT", "net", D(1), now_ms=NOW, by=HUMAN), Refusal.SIDE),
    (lambda books: books.move_margin("BTCUSDT", "long", D(0), now_ms=NOW, by=HUMAN), Refusal.AMOUNT),
    (lambda books: books.move_margin("ADAUSDT", "long", D(1), now_ms=NOW, by=HUMAN), Refusal.CROSSED),
    (lambda books: books.move_margin("XRPUSDT", "long", D(1), now_ms=NOW, by=HUMAN), Refusal.NO_POSITION),
    (lambda books: books.move_margin("BTCUSDT", "long", D("5000.00000001"), now_ms=NOW, by=HUMAN), Refusal.FUNDS),
    (lambda books: books.move_margin("BTCUSDT", "long", D(-226), now_ms=NOW, by=HUMAN), Refusal.REMOVABLE),
    (lambda books: books.fund("BTCUSDT", "long", D(-3001), now_ms=NOW), Refusal.NEGATIVE),
    (lambda books: books.set_margin_type("SOLUSDT", "crossed", now_ms=NOW, by=HUMAN), Refusal.SAME_TYPE),
    (lambda books: books.set_margin_type("ADAUSDT", "isolated", now_ms=NOW, by=HUMAN), Refusal.OPEN_POSITION),
    (lambda books: books.open_position("BTCUSDT", "long", D(1000), now_ms=NOW), Refusal.FUNDS),
    (lambda books: books.close_position("XRPUSDT", "long", now_ms=NOW), Refusal.NO_POSITION),
    (lambda books: books.close_position("BTCUSDT", "long", size=D(1), now_ms=NOW), Refusal.AMOUNT),
    (lambda books: books.set_multi_assets(on=True, now_ms=NOW), Refusal.OPEN_POSITION),
    (lambda books: books.set_position_mode("one-way", now_ms=NOW), Refusal.OPEN_POSITION),
    (lambda books: books.deposit("USDT", D(-99_999), now_ms=NOW), Refusal.FUNDS),
    (lambda books: books.auto_add("ADAUSDT", "long", D(1), now_ms=NOW), Refusal.NO_POSITION),
]


@pytest.mark.parametrize(("act", "why"), REFUSED)
def test_a_refusal_has_its_reason_and_changes_nothing(act: Callable[[Books], object], why: Refusal) -> None:
    books = demo_books()
    before = dump_books(books)
    with pytest.raises(Denied) as caught:
        act(books)
    assert caught.value.why is why
    assert dump_books(books) == before


def test_what_may_be_moved_may_be_moved_to_its_last_digit() -> None:
    books = demo_books()
    books.move_margin("BTCUSDT", "long", D(5000), now_ms=NOW, by=HUMAN)
    books.move_margin("BTCUSDT", "long", -books.removable("BTCUSDT", "long"), now_ms=NOW, by=HUMAN)
    assert (books.margin("BTCUSDT", "long"), books.removable("BTCUSDT", "long")) == (D(2775), D(0))


def test_a_position_closed_and_opened_again_is_another_one() -> None:
    books = demo_books()
    before = books.position("BTCUSDT", "long")
    after = books.reopen("BTCUSDT", "long", now_ms=NOW + 5)
    assert before is not None
    assert (after.identity > before.identity, after.opened_ms, after.margin) == (True, NOW + 5, D(3025))


def test_a_flipped_position_is_another_one_the_other_way() -> None:
    books = demo_books(mode="one-way")
    after = books.flip("BTCUSDT", now_ms=NOW)
    assert (after.size, after.direction, after.identity) == (D("0.5"), 1, 2)


def test_closing_a_part_gives_margin_back_in_proportion() -> None:
    books = demo_books()
    books.close_position("BTCUSDT", "long", size=D("0.1"), now_ms=NOW)
    assert books.margin("BTCUSDT", "long") == D(2400)
    assert books.wallet["USDT"] == D(14155) + D(50)


def test_a_loss_greater_than_the_margin_is_not_paid_by_the_account() -> None:
    books = demo_books()
    free = books.cross["USDT"]
    books.close_position("BTCUSDT", "long", price=D(1), now_ms=NOW)
    assert books.cross["USDT"] == free


def test_the_past_is_as_it_was_while_it_is_kept() -> None:
    books = demo_books(keep_ms=60_000)
    for second in range(1, 4):
        books.move_margin("BTCUSDT", "long", D(100), now_ms=NOW + 1000 * second, by=HUMAN)
    seen = [
        books.as_of(NOW + moment).positions["BTCUSDT", "long", "isolated"].margin
        for moment in (-5, 0, 999, 1000, 2500, 3000, 9999)
    ]
    assert seen == [D(3000), D(3000), D(3000), D(3100), D(3200), D(3300), D(3300)]


def test_rows_show_only_once_they_are_old_enough() -> None:
    books = demo_books()
    count = len(books.rows)
    books.move_margin("BTCUSDT", "long", D(100), now_ms=NOW + 1000, by=HUMAN)
    assert (len(books.rows_as_of(NOW + 999)), len(books.rows_as_of(NOW + 1000))) == (count, count + 1)


def test_an_effect_names_who_did_it_and_by_which_request() -> None:
    books = demo_books()
    books.move_margin("BTCUSDT", "long", D(7), now_ms=NOW, by=RequestOrigin(actor="api", request=12, delivery=2))
    effect = books.effects[-1]
    assert (effect.actor, effect.request, effect.delivery, effect.cause, effect.change, effect.margin) == (
        "api",
        12,
        2,
        "add",
        D(7),
        D(3007),
    )


def inverse() -> Books:
    """A coin-margined account whose margin types belong to positions."""

    class PerPosition(Rules):
        type_on_symbol = False

        def top_up(self, market: Market, position: BookPosition, leverage: Decimal) -> Decimal:
            return max(D(0), market.notional(position.size, position.entry) / leverage - position.margin)

    books = Books(uid="1", position_mode="hedge", rules=PerPosition())
    tiers = brackets([("1000", "0.005", 100)])
    market = Market(symbol="BTC-USD", asset="BTC", mark=D(50000), tiers=tiers, contract_value=D(100), inverse=True)
    books.add_market(market, setting=Setting(margin_type="isolated", leverage=D(10)))
    books.deposit("BTC", D(1), now_ms=NOW)
    return books


def test_one_instrument_can_hold_an_isolated_and_a_crossed_position_at_once() -> None:
    books = inverse()
    books.open_position("BTC-USD", "long", D(100), now_ms=NOW, margin_type="crossed")
    books.open_position("BTC-USD", "long", D(100), now_ms=NOW, margin=D("0.03"))
    books.move_margin("BTC-USD", "long", D("0.01"), now_ms=NOW, by=HUMAN)
    assert {key[2]: position.margin for key, position in books.positions.items()} == {
        "crossed": D(0),
        "isolated": D("0.04"),
    }


def test_a_lower_leverage_pulls_margin_in_where_the_rules_say_so() -> None:
    books = inverse()
    books.open_position("BTC-USD", "long", D(100), now_ms=NOW)
    books.set_leverage("BTC-USD", D(5), now_ms=NOW)
    assert books.margin("BTC-USD", "long") == D("0.04")
    assert books.rows[-1].cause == "leverage"


def test_an_inverse_position_is_liquidated_where_the_coin_runs_out() -> None:
    books = inverse()
    books.open_position("BTC-USD", "long", D(100), now_ms=NOW, margin=D("0.02"))
    market, position = books.markets["BTC-USD"], books.positions["BTC-USD", "long", "isolated"]
    price = books.rules.liquidation_price(market, position)
    assert price is not None
    rate = market.tiers[0].mmr + market.taker_fee
    left = position.margin + market.profit(position, price)
    assert abs(left - market.notional(position.size, price) * rate) < D("1e-20")


def test_a_contract_that_ends_is_settled_and_listed_no_more_and_stays_so_on_disk() -> None:
    books = demo_books()
    before = books.wallet["USDT"]
    profit = sum(
        books.markets[held.symbol].profit(held, books.markets[held.symbol].mark) for held in books.open_on("BTCUSDT")
    )
    books.delist("BTCUSDT", now_ms=NOW + 1)
    assert (books.open_on("BTCUSDT"), "BTCUSDT" in books.markets) == ([], False)
    assert abs(books.wallet["USDT"] - before - profit) < D("0.001")
    again = load_books(dump_books(books), books.rules)
    assert ("BTCUSDT" in again.markets, again.known_market("BTCUSDT").symbol) == (False, "BTCUSDT")
    with pytest.raises(Denied, match="not listed"):
        again.delist("BTCUSDT", now_ms=NOW + 2)
