"""What every adapter's margin call keeps: signed once for a positive amount, and each end of it is what was proved."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from reconcile.errors import InDoubt, NotSent, ReconcileError, RefusalKind, Refused
from reconcile.exchanges.base import Accepted, Writer
from reconcile.exchanges.http.wire import HttpResponse
from reconcile.model.account import Position, Side
from reconcile.model.plan import MoveMargin
from tests.exchanges.binance import test_adapter as binance
from tests.kit import bitget_account, okx_account
from tests.kit.fakes import SERVED_MS, FakeWire, answer, path_of, run


@dataclass(frozen=True, kw_only=True)
class MarginCall:
    """The margin call of one exchange: its path, its step and position, and answers to it by what they prove."""

    desk: Callable[[Mapping[str, Any]], tuple[Writer, FakeWire]]
    path: str
    step: MoveMargin
    position: Position | None
    """None where the call is by side alone, and its body has nothing of the position."""
    success: HttpResponse
    accepted: Accepted
    refusals: Mapping[RefusalKind, HttpResponse]
    doubts: tuple[HttpResponse, ...]
    burst: tuple[int, int] | None = None
    """How many calls may leave within how many milliseconds; None where the exchange counts weights, not calls."""


def _okx(answers: Mapping[str, Any]) -> tuple[Writer, FakeWire]:
    desk = okx_account.Desk(answers)
    return desk.adapter, desk.wire


def _bitget(answers: Mapping[str, Any]) -> tuple[Writer, FakeWire]:
    desk = bitget_account.Desk(answers)
    return desk.adapter, desk.wire


def _binance(answers: Mapping[str, Any]) -> tuple[Writer, FakeWire]:
    desk = binance.Desk()
    desk.wire.answers |= answers
    return desk.adapter, desk.wire


def _code(code: int, status: int) -> HttpResponse:
    return answer({"code": code, "msg": "no"}, status)


CALLS = {
    "binance": MarginCall(
        desk=_binance,
        path="/fapi/v1/positionMargin",
        step=binance.move("add_margin", Side.LONG),
        position=None,
        success=answer({"code": 200, "msg": "ok", "amount": 25, "type": 1}),
        accepted=Accepted(note="200 ok", amount=Decimal(25)),
        refusals={
            RefusalKind.FUNDS: _code(-4051, 400),
            RefusalKind.STATE: _code(-4054, 400),
            RefusalKind.THROTTLE: _code(-1003, 429),
            RefusalKind.CLOCK: _code(-1021, 400),
            RefusalKind.PERMISSION: _code(-2015, 401),
            RefusalKind.REQUEST: _code(-1102, 400),
            RefusalKind.LATER: _code(-2023, 400),
        },
        doubts=(_code(-1007, 408), _code(-1000, 400), _code(-4051, 502)),
    ),
    "okx": MarginCall(
        desk=_okx,
        path=okx_account.MOVE,
        step=okx_account.move(),
        position=okx_account.held(),
        success=okx_account.data({"instId": "ETH-USDT-SWAP", "posSide": "long", "type": "add", "amt": "25"}),
        accepted=Accepted(note="0", amount=Decimal(25)),
        refusals={
            RefusalKind.FUNDS: okx_account.refusal("59301", 200),
            RefusalKind.STATE: okx_account.refusal("59300", 200),
            RefusalKind.THROTTLE: okx_account.refusal("50011", 429),
            RefusalKind.CLOCK: okx_account.refusal("50102", 401),
            RefusalKind.PERMISSION: okx_account.refusal("50072", 200),
            RefusalKind.REQUEST: okx_account.refusal("51000", 400),
            RefusalKind.LATER: okx_account.refusal("59302", 200),
        },
        doubts=(
            okx_account.refusal("50004", 400),
            okx_account.refusal("50026", 500),
            okx_account.refusal("50001", 503),
            okx_account.refusal("59300", 502),
            okx_account.data(),
        ),
        burst=(20, 2_000),
    ),
    "bitget": MarginCall(
        desk=_bitget,
        path=bitget_account.SET_MARGIN,
        step=bitget_account.move(),
        position=bitget_account.held(),
        success=bitget_account.data(""),
        accepted=Accepted(note="00000 success"),
        refusals={
            RefusalKind.FUNDS: bitget_account.refusal("40801"),
            RefusalKind.STATE: bitget_account.refusal("22002"),
            RefusalKind.THROTTLE: bitget_account.refusal("429"),
            RefusalKind.CLOCK: bitget_account.refusal("40008"),
            RefusalKind.PERMISSION: bitget_account.refusal("40085"),
            RefusalKind.REQUEST: bitget_account.refusal("40017"),
            RefusalKind.LATER: bitget_account.refusal("40200"),
        },
        doubts=(
            bitget_account.refusal("40010"),
            bitget_account.refusal("40725", 200),
            bitget_account.refusal("45001", 500),
            bitget_account.refusal("22002", 502),
        ),
        burst=(5, 1_000),
    ),
}
EVERY = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
UNREADABLE: tuple[HttpResponse | Exception, ...] = (
    HttpResponse(status=200, headers={}, body=b""),
    HttpResponse(status=502, headers={}, body=b"<html>bad gateway</html>"),
    HttpResponse(status=429, headers={}, body=b"slow down"),
    answer({"code": "77777", "msg": "?"}),
    InDoubt("the connection broke"),
)


def send(call: MarginCall, told: HttpResponse | Exception) -> Accepted | ReconcileError:
    """How one call ends on this answer; it is sent once."""
    adapter, wire = call.desk({call.path: told})
    prepared = adapter.prepare(call.step, Decimal(25), call.position, signed_at_ms=SERVED_MS)

    async def sent() -> Accepted | ReconcileError:
        try:
            return await adapter.send(prepared)
        except ReconcileError as error:
            return error

    ended = run(sent)
    assert len(times(call, wire)) == 1
    return ended


def times(call: MarginCall, wire: FakeWire) -> list[int]:
    """When margin calls left."""
    return [sent_ms for sent_ms, request in wire.sent if path_of(request) == call.path]


@EVERY
@pytest.mark.parametrize("amount", [None, *map(Decimal, ("0", "-1", "NaN", "Infinity"))])
def test_an_amount_that_is_not_positive_is_never_signed(call: MarginCall, amount: Decimal | None) -> None:
    adapter, _ = call.desk({})
    with pytest.raises(ValueError, match="not above zero"):
        adapter.prepare(call.step, amount, call.position, signed_at_ms=SERVED_MS)


@pytest.mark.parametrize("name", [name for name, call in CALLS.items() if call.position])
def test_a_margin_call_needs_an_open_isolated_position(name: str) -> None:
    call = CALLS[name]
    adapter, _ = call.desk({})
    for position in (None, okx_account.held(size="0"), bitget_account.held(size="0")):
        with pytest.raises(ValueError, match="no open isolated position"):
            adapter.prepare(call.step, Decimal(1), position, signed_at_ms=SERVED_MS)


@EVERY
def test_a_success_is_a_yes(call: MarginCall) -> None:
    assert send(call, call.success) == call.accepted


@EVERY
@pytest.mark.parametrize("kind", CALLS["okx"].refusals)
def test_a_refusal_says_what_it_asks_of_us(call: MarginCall, kind: RefusalKind) -> None:
    ended = send(call, call.refusals[kind])
    assert isinstance(ended, Refused)
    assert ended.kind is kind


@EVERY
def test_what_proves_nothing_is_doubt_and_is_sent_once(call: MarginCall) -> None:
    ends = [send(call, told) for told in (*call.doubts, *UNREADABLE)]
    assert [type(ended) for ended in ends] == [InDoubt] * len(ends)


@EVERY
def test_what_never_left_is_not_sent(call: MarginCall) -> None:
    assert isinstance(send(call, NotSent("no connection")), NotSent)


@EVERY
def test_a_turn_holds_room_for_one_write(call: MarginCall) -> None:
    adapter, _ = call.desk({call.path: call.success})

    async def written() -> Accepted:
        await adapter.sync_time()
        async with adapter.turn():
            signed_at_ms = adapter.time.earliest()
            return await adapter.send(adapter.prepare(call.step, Decimal(25), call.position, signed_at_ms=signed_at_ms))

    assert run(written) == call.accepted
    assert adapter.requests["write"] == 1


@pytest.mark.parametrize("name", [name for name, call in CALLS.items() if call.burst])
def test_no_more_writes_leave_than_the_exchange_takes(name: str) -> None:
    call = CALLS[name]
    adapter, wire = call.desk({call.path: call.success})
    most, within_ms = call.burst or (0, 0)

    async def many() -> None:
        prepared = adapter.prepare(call.step, Decimal(25), call.position, signed_at_ms=SERVED_MS)
        for _ in range(2 * most + 1):
            await adapter.send(prepared)

    run(many)
    at = times(call, wire)
    assert len(at) == 2 * most + 1
    assert all(late - early >= within_ms for early, late in zip(at, at[most:], strict=False))
