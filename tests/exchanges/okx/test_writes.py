"""The one call OKX has: its bytes, and what must never be sent."""

import json
from decimal import Decimal

import pytest

from reconcile.exchanges.http.header_signed import signature
from reconcile.model.account import Address, MarginType, Side
from reconcile.model.plan import SetMarginType
from tests.kit.fakes import SERVED_MS, params_of, path_of
from tests.kit.okx_account import ETH, ETH_NET, MOVE, Desk, held, move


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
    call = Desk().adapter.prepare(
        move(address, add=add), Decimal("25.500000"), held(address, size), signed_at_ms=SERVED_MS
    )
    assert json.loads(call.request.body) == {
        "instId": "ETH-USDT-SWAP",
        "posSide": side,
        "type": "add" if add else "reduce",
        "amt": "25.5",
    }
    assert (call.request.method, path_of(call.request), params_of(call.request)) == ("POST", MOVE, {})


def test_an_amount_is_never_written_with_an_exponent() -> None:
    call = Desk().adapter.prepare(move(), Decimal("1E-8"), held(), signed_at_ms=SERVED_MS)
    assert json.loads(call.request.body)["amt"] == "0.00000001"


def test_a_call_is_signed_for_the_time_it_is_told_and_over_the_bytes_it_sends() -> None:
    call = Desk().adapter.prepare(move(), Decimal(25), held(), signed_at_ms=SERVED_MS)
    headers = call.request.headers
    assert call.signed_at_ms == SERVED_MS
    assert headers["OK-ACCESS-TIMESTAMP"] == "2026-01-01T00:00:00.000Z"
    made = signature("SIM-SECRET", headers["OK-ACCESS-TIMESTAMP"], "POST", MOVE, call.request.body)
    assert headers["OK-ACCESS-SIGN"] == made


def test_there_is_no_call_that_changes_a_margin_type() -> None:
    step = SetMarginType(step_id="s", address=ETH, before=MarginType.CROSSED, after=MarginType.ISOLATED)
    with pytest.raises(ValueError, match="OKX has no call"):
        Desk().adapter.prepare(step, None, None, signed_at_ms=SERVED_MS)
