"""The two calls: their bytes, what must never be sent, and what is particular to their answers."""

import json
from decimal import Decimal

import pytest

from reconcile.errors import InDoubt
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
    retype,
)
from tests.kit.fakes import SERVED_MS, params_of, path_of, run


@pytest.mark.parametrize(
    ("address", "size", "side"),
    [(ETH, "0.5", "long"), (ETH_SHORT, "0.5", "short"), (ETH_NET, "0.5", "long"), (ETH_NET, "-0.5", "short")],
)
@pytest.mark.parametrize(("add", "amount"), [(True, "12.5"), (False, "-12.5")])
def test_a_margin_call_names_symbol_coin_side_and_a_signed_amount(
    address: Address, size: str, side: str, amount: str, *, add: bool
) -> None:
    call = Desk().adapter.prepare(
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
    run(lambda: desk.adapter.observe({}))
    call = desk.adapter.prepare(retype(after), None, None, signed_at_ms=SERVED_MS)
    assert json.loads(call.request.body) == {
        "productType": "USDT-FUTURES",
        "symbol": "ETHUSDT",
        "marginCoin": "USDT",
        "marginMode": after.value,
    }
    assert path_of(call.request) == SET_MODE


def test_a_mode_call_needs_a_symbol_that_a_look_has_shown() -> None:
    with pytest.raises(ValueError, match="no look has shown"):
        Desk().adapter.prepare(retype(), None, None, signed_at_ms=SERVED_MS)


def test_a_call_is_signed_for_the_time_it_is_told_and_over_the_bytes_it_sends() -> None:
    call = Desk().adapter.prepare(move(), Decimal(25), held(), signed_at_ms=SERVED_MS)
    assert call.signed_at_ms == SERVED_MS
    assert call.request.headers["ACCESS-TIMESTAMP"] == str(SERVED_MS)
    made = signature("SIM-SECRET", str(SERVED_MS), "POST", SET_MARGIN, call.request.body)
    assert call.request.headers["ACCESS-SIGN"] == made


def test_each_call_has_its_own_success() -> None:
    desk = Desk({SET_MODE: data("")})

    async def sent() -> Accepted:
        await desk.adapter.observe({})
        return await desk.adapter.send(desk.adapter.prepare(retype(), None, None, signed_at_ms=SERVED_MS))

    with pytest.raises(InDoubt):
        run(sent)


@pytest.mark.parametrize(
    ("address", "size", "side"), [(ETH, "0.5", "long"), (ETH_SHORT, "0.5", "short"), (ETH_NET, "-0.5", "short")]
)
@pytest.mark.parametrize("after", list(AutoAdd))
def test_a_switch_of_auto_margin_names_symbol_coin_side_and_switch(
    address: Address, size: str, side: str, after: AutoAdd
) -> None:
    before = AutoAdd.OFF if after is AutoAdd.ON else AutoAdd.ON
    step = SetAutoAdd(step_id="s", address=address, before=before, after=after)
    call = Desk().adapter.prepare(step, None, held(address, size), signed_at_ms=SERVED_MS)
    body = {"symbol": "ETHUSDT", "autoMargin": after.value, "marginCoin": "USDT", "holdSide": side}
    assert json.loads(call.request.body) == body
    assert path_of(call.request) == SET_AUTO
    for position in (None, held(address, "0")):
        with pytest.raises(ValueError, match="no open isolated position"):
            Desk().adapter.prepare(step, None, position, signed_at_ms=SERVED_MS)


@pytest.mark.parametrize(
    ("told", "is_yes"),
    [(data(""), True), (data("success"), True), (data(None), True), (data({"autoMargin": "on"}), False)],
)
def test_a_success_of_auto_margin_may_have_any_text(told: HttpResponse, *, is_yes: bool) -> None:
    desk = Desk({SET_AUTO: told})
    step = SetAutoAdd(step_id="s", address=ETH, before=AutoAdd.OFF, after=AutoAdd.ON)
    call = desk.adapter.prepare(step, None, held(), signed_at_ms=SERVED_MS)
    if is_yes:
        assert run(lambda: desk.adapter.send(call)) == Accepted(note="00000 success")
    else:
        with pytest.raises(InDoubt):
            run(lambda: desk.adapter.send(call))
