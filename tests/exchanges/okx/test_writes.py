"""The one call OKX has: its bytes, what must never be sent, and what each end of it is."""

import json
from decimal import Decimal

import pytest

from reconcile.errors import InDoubt, NotSent, ReconcileError, RefusalKind, Refused
from reconcile.exchanges.base import Accepted
from reconcile.exchanges.http.header_signed import signature
from reconcile.exchanges.http.wire import HttpResponse
from reconcile.model.account import Address, MarginType, Side
from reconcile.model.plan import SetMarginType
from tests.kit.fakes import SERVED_MS, answer, params_of, path_of, run
from tests.kit.okx_account import ETH, ETH_NET, MOVE, Desk, data, held, move, refusal


def send(told: HttpResponse | Exception) -> Accepted | ReconcileError:
    desk = Desk({MOVE: told})
    call = desk.okx.prepare(move(), Decimal(25), held(), signed_at_ms=SERVED_MS)

    async def sent() -> Accepted | ReconcileError:
        try:
            return await desk.okx.send(call)
        except ReconcileError as error:
            return error

    ended = run(sent)
    assert len(desk.asked(MOVE)) == 1
    return ended


@pytest.mark.parametrize(
    ("address", "size", "side"),
    [
        (ETH, "3", "long"),
        (Address("ETH-USDT-SWAP", Side.SHORT), "3", "short"),
        (ETH_NET, "3", "net"),
        (ETH_NET, "-3", "net"),
    ],
)
@pytest.mark.parametrize("add", [True, False])
def test_a_margin_call_names_instrument_side_direction_and_amount_and_nothing_else(
    address: Address, size: str, side: str, *, add: bool
) -> None:
    call = Desk().okx.prepare(move(address, add=add), Decimal("25.500000"), held(address, size), signed_at_ms=SERVED_MS)
    assert json.loads(call.request.body) == {
        "instId": "ETH-USDT-SWAP",
        "posSide": side,
        "type": "add" if add else "reduce",
        "amt": "25.5",
    }
    assert (call.request.method, path_of(call.request), params_of(call.request)) == ("POST", MOVE, {})


def test_an_amount_is_never_written_with_an_exponent() -> None:
    call = Desk().okx.prepare(move(), Decimal("1E-8"), held(), signed_at_ms=SERVED_MS)
    assert json.loads(call.request.body)["amt"] == "0.00000001"


def test_a_call_is_signed_for_the_time_it_is_told_and_over_the_bytes_it_sends() -> None:
    call = Desk().okx.prepare(move(), Decimal(25), held(), signed_at_ms=SERVED_MS)
    headers = call.request.headers
    assert call.signed_at_ms == SERVED_MS
    assert headers["OK-ACCESS-TIMESTAMP"] == "2026-01-01T00:00:00.000Z"
    made = signature("SIM-SECRET", headers["OK-ACCESS-TIMESTAMP"], "POST", MOVE, call.request.body)
    assert headers["OK-ACCESS-SIGN"] == made


@pytest.mark.parametrize("amount", [None, Decimal(0), Decimal(-1)])
def test_an_amount_that_is_not_positive_is_never_signed(amount: Decimal | None) -> None:
    with pytest.raises(ValueError, match="not above zero"):
        Desk().okx.prepare(move(), amount, held(), signed_at_ms=SERVED_MS)


def test_a_margin_call_needs_an_open_isolated_position() -> None:
    for position in (None, held(size="0")):
        with pytest.raises(ValueError, match="no open isolated position"):
            Desk().okx.prepare(move(), Decimal(1), position, signed_at_ms=SERVED_MS)


def test_there_is_no_call_that_changes_a_margin_type() -> None:
    step = SetMarginType(step_id="s", address=ETH, before=MarginType.CROSSED, after=MarginType.ISOLATED)
    with pytest.raises(ValueError, match="OKX has no call"):
        Desk().okx.prepare(step, None, None, signed_at_ms=SERVED_MS)


def test_a_success_is_a_yes() -> None:
    ended = send(data({"instId": "ETH-USDT-SWAP", "posSide": "long", "type": "add", "amt": "25"}))
    assert ended == Accepted(note="0", amount=Decimal(25))


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("59301", 200, RefusalKind.FUNDS),
        ("59300", 200, RefusalKind.STATE),
        ("50011", 429, RefusalKind.THROTTLE),
        ("50102", 401, RefusalKind.CLOCK),
        ("50072", 200, RefusalKind.PERMISSION),
        ("51000", 400, RefusalKind.REQUEST),
        ("59302", 200, RefusalKind.LATER),
    ],
)
def test_a_refusal_says_what_it_asks_of_us(code: str, status: int, kind: RefusalKind) -> None:
    ended = send(refusal(code, status))
    assert isinstance(ended, Refused)
    assert ended.kind is kind


@pytest.mark.parametrize(
    "told",
    [
        refusal("50004", 400),
        refusal("50026", 500),
        refusal("50001", 503),
        refusal("59300", 502),
        data(),
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
        await desk.okx.sync_time()
        async with desk.okx.turn():
            call = desk.okx.prepare(move(), Decimal(25), held(), signed_at_ms=desk.okx.time.earliest())
            return await desk.okx.send(call)

    assert run(written).note == "0"
    assert desk.okx.requests["write"] == 1


def test_no_more_than_twenty_writes_leave_in_two_seconds() -> None:
    desk = Desk()

    async def many() -> None:
        call = desk.okx.prepare(move(), Decimal(25), held(), signed_at_ms=SERVED_MS)
        for _ in range(41):
            await desk.okx.send(call)

    run(many)
    at = [sent for sent, request in desk.wire.sent if path_of(request) == MOVE]
    assert all(late - early >= 2_000 for early, late in zip(at, at[20:], strict=False))
