"""The two calls: their bytes, what must never be sent, and what each end of them is."""

import json
from decimal import Decimal

import pytest

from reconcile.errors import InDoubt, NotSent, ReconcileError, RefusalKind, Refused
from reconcile.exchanges.base import Accepted
from reconcile.exchanges.http.header_signed import signature
from reconcile.exchanges.http.wire import HttpResponse
from reconcile.model.account import Address, MarginType
from reconcile.model.auto_add import AutoAdd, SetAutoAdd
from tests.kit.bitget_account import (
    ETH,
    ETH_NET,
    ETH_SHORT,
    SET_AUTO,
    SET_MARGIN,
    SET_MODE,
    Desk,
    data,
    held,
    move,
    refusal,
    retype,
)
from tests.kit.fakes import SERVED_MS, answer, params_of, path_of, run


def send(told: HttpResponse | Exception) -> Accepted | ReconcileError:
    desk = Desk({SET_MARGIN: told})
    call = desk.bitget.prepare(move(), Decimal("12.5"), held(), signed_at_ms=SERVED_MS)

    async def sent() -> Accepted | ReconcileError:
        try:
            return await desk.bitget.send(call)
        except ReconcileError as error:
            return error

    ended = run(sent)
    assert len(desk.asked(SET_MARGIN)) == 1
    return ended


@pytest.mark.parametrize(
    ("address", "size", "side"),
    [(ETH, "0.5", "long"), (ETH_SHORT, "0.5", "short"), (ETH_NET, "0.5", "long"), (ETH_NET, "-0.5", "short")],
)
@pytest.mark.parametrize(("add", "amount"), [(True, "12.5"), (False, "-12.5")])
def test_a_margin_call_names_symbol_coin_side_and_a_signed_amount(
    address: Address, size: str, side: str, amount: str, *, add: bool
) -> None:
    call = Desk().bitget.prepare(
        move(address, add=add), Decimal("12.5000"), held(address, size), signed_at_ms=SERVED_MS
    )
    assert json.loads(call.request.body) == {
        "productType": "USDT-FUTURES",
        "symbol": "ETHUSDT",
        "marginCoin": "USDT",
        "holdSide": side,
        "amount": amount,
    }
    assert (call.request.method, path_of(call.request), params_of(call.request)) == ("POST", SET_MARGIN, {})


@pytest.mark.parametrize("after", list(MarginType))
def test_a_mode_call_names_symbol_coin_and_mode(after: MarginType) -> None:
    desk = Desk()
    run(lambda: desk.bitget.observe({}))
    call = desk.bitget.prepare(retype(after), None, None, signed_at_ms=SERVED_MS)
    assert json.loads(call.request.body) == {
        "productType": "USDT-FUTURES",
        "symbol": "ETHUSDT",
        "marginCoin": "USDT",
        "marginMode": after.value,
    }
    assert path_of(call.request) == SET_MODE


def test_a_mode_call_needs_a_symbol_that_a_look_has_shown() -> None:
    with pytest.raises(ValueError, match="no look has shown"):
        Desk().bitget.prepare(retype(), None, None, signed_at_ms=SERVED_MS)


@pytest.mark.parametrize("amount", [None, Decimal(0), Decimal(-1)])
def test_an_amount_that_is_not_positive_is_never_signed(amount: Decimal | None) -> None:
    with pytest.raises(ValueError, match="not above zero"):
        Desk().bitget.prepare(move(), amount, held(), signed_at_ms=SERVED_MS)


def test_a_margin_call_needs_an_open_isolated_position() -> None:
    for position in (None, held(size="0")):
        with pytest.raises(ValueError, match="no open isolated position"):
            Desk().bitget.prepare(move(), Decimal(1), position, signed_at_ms=SERVED_MS)


def test_a_call_is_signed_for_the_time_it_is_told_and_over_the_bytes_it_sends() -> None:
    call = Desk().bitget.prepare(move(), Decimal(25), held(), signed_at_ms=SERVED_MS)
    assert call.signed_at_ms == SERVED_MS
    assert call.request.headers["ACCESS-TIMESTAMP"] == str(SERVED_MS)
    made = signature("SIM-SECRET", str(SERVED_MS), "POST", SET_MARGIN, call.request.body)
    assert call.request.headers["ACCESS-SIGN"] == made


def test_a_success_is_a_yes() -> None:
    assert send(data("")) == Accepted(note="00000 success")


def test_each_call_has_its_own_success() -> None:
    desk = Desk({SET_MODE: data("")})

    async def sent() -> Accepted:
        await desk.bitget.observe({})
        return await desk.bitget.send(desk.bitget.prepare(retype(), None, None, signed_at_ms=SERVED_MS))

    with pytest.raises(InDoubt):
        run(sent)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("40801", RefusalKind.FUNDS),
        ("22002", RefusalKind.STATE),
        ("429", RefusalKind.THROTTLE),
        ("40008", RefusalKind.CLOCK),
        ("40085", RefusalKind.PERMISSION),
        ("40017", RefusalKind.REQUEST),
        ("40200", RefusalKind.LATER),
    ],
)
def test_a_refusal_says_what_it_asks_of_us(code: str, kind: RefusalKind) -> None:
    ended = send(refusal(code))
    assert isinstance(ended, Refused)
    assert ended.kind is kind


@pytest.mark.parametrize(
    "told",
    [
        refusal("40010"),
        refusal("40725", 200),
        refusal("45001", 500),
        refusal("22002", 502),
        HttpResponse(status=200, headers={}, body=b""),
        HttpResponse(status=502, headers={}, body=b"<html>bad gateway</html>"),
        HttpResponse(status=429, headers={}, body=b"slow down"),
        answer({"code": "77777", "msg": "?"}),
        InDoubt("the connection broke"),
    ],
)
def test_what_proves_nothing_is_doubt_and_is_sent_once(told: HttpResponse | Exception) -> None:
    assert isinstance(send(told), InDoubt)


def test_what_never_left_is_not_sent() -> None:
    assert isinstance(send(NotSent("no connection")), NotSent)


def test_a_turn_holds_room_for_one_write() -> None:
    desk = Desk()

    async def written() -> Accepted:
        await desk.bitget.sync_time()
        async with desk.bitget.turn():
            call = desk.bitget.prepare(move(), Decimal(25), held(), signed_at_ms=desk.bitget.time.earliest())
            return await desk.bitget.send(call)

    assert run(written).note == "00000 success"
    assert desk.bitget.requests["write"] == 1


def test_no_more_than_five_writes_leave_in_a_second() -> None:
    desk = Desk()

    async def many() -> None:
        call = desk.bitget.prepare(move(), Decimal(25), held(), signed_at_ms=SERVED_MS)
        for _ in range(16):
            await desk.bitget.send(call)

    run(many)
    at = [sent for sent, request in desk.wire.sent if path_of(request) == SET_MARGIN]
    assert all(late - early >= 1_000 for early, late in zip(at, at[5:], strict=False))


@pytest.mark.parametrize(
    ("address", "size", "side"), [(ETH, "0.5", "long"), (ETH_SHORT, "0.5", "short"), (ETH_NET, "-0.5", "short")]
)
@pytest.mark.parametrize("after", list(AutoAdd))
def test_a_switch_of_auto_margin_names_symbol_coin_side_and_switch(
    address: Address, size: str, side: str, after: AutoAdd
) -> None:
    before = AutoAdd.OFF if after is AutoAdd.ON else AutoAdd.ON
    step = SetAutoAdd(step_id="s", address=address, before=before, after=after)
    call = Desk().bitget.prepare(step, None, held(address, size), signed_at_ms=SERVED_MS)
    body = {"symbol": "ETHUSDT", "autoMargin": after.value, "marginCoin": "USDT", "holdSide": side}
    assert json.loads(call.request.body) == body
    assert path_of(call.request) == SET_AUTO
    for position in (None, held(address, "0")):
        with pytest.raises(ValueError, match="no open isolated position"):
            Desk().bitget.prepare(step, None, position, signed_at_ms=SERVED_MS)


@pytest.mark.parametrize(
    ("told", "is_yes"),
    [(data(""), True), (data("success"), True), (data(None), True), (data({"autoMargin": "on"}), False)],
)
def test_a_success_of_auto_margin_may_have_any_text(told: HttpResponse, *, is_yes: bool) -> None:
    desk = Desk({SET_AUTO: told})
    step = SetAutoAdd(step_id="s", address=ETH, before=AutoAdd.OFF, after=AutoAdd.ON)
    call = desk.bitget.prepare(step, None, held(), signed_at_ms=SERVED_MS)
    if is_yes:
        assert run(lambda: desk.bitget.send(call)) == Accepted(note="00000 success")
    else:
        with pytest.raises(InDoubt):
            run(lambda: desk.bitget.send(call))
