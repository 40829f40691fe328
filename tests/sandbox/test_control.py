"""What ``reconcile sandbox`` does: a person's hand in a sandbox account."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import requests

from reconcile.errors import InputError
from reconcile.sandbox import control
from reconcile.sandbox.store import Store
from tests.kit.binance_client import NOW


def shown(store: Store) -> Mapping[str, Any]:
    """The demo account, positions by address."""
    data = control.show(store, "demo")
    return {**data, "positions": {row["address"]: row for row in data["positions"]}}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path, now_ms=lambda: NOW)


def test_the_demo_account_holds_what_the_demo_shows(store: Store) -> None:
    data = shown(store)
    margins = {address: row["isolated_margin"] for address, row in data["positions"].items()}
    assert data["balances"]["USDT"]["available"] == "5000"
    assert margins == {
        "BTCUSDT.long": "3000",
        "BTCUSDT.short": "2500",
        "ETHUSDT.long": "1500",
        "DOGEUSDT.long": "800",
        "ADAUSDT.long": None,
        "LINKUSDT.long": "600",
        "BNBUSDT.long": "400",
    }
    assert (data["symbols"]["SOLUSDT"]["margin_type"], data["symbols"]["XRPUSDT"]["margin_type"]) == (
        "crossed",
        "isolated",
    )


ASSIGNMENTS = [
    ("mark BTCUSDT 61000", "BTCUSDT: mark price 61000"),
    ("margin BTCUSDT.long +50", "BTCUSDT.long: isolated margin 3050 USDT"),
    ("margin BTCUSDT.long -50", "BTCUSDT.long: isolated margin 2950 USDT"),
    ("fund BTCUSDT.long -4.2", "BTCUSDT.long: isolated margin 2995.8 USDT"),
    ("top-up BTCUSDT.long 20", "BTCUSDT.long: isolated margin 3020 USDT"),
    ("open XRPUSDT.long 1000", "XRPUSDT.long: size 1000 at 0.6, isolated margin 60"),
    ("open XRPUSDT.long 1000 0.5 70", "XRPUSDT.long: size 1000 at 0.5, isolated margin 70"),
    ("open SOLUSDT.short 1 149", "SOLUSDT.short: size 1 at 149"),
    ("close BTCUSDT.long", "BTCUSDT.long: flat"),
    ("close BTCUSDT.long 0.25 60000", "BTCUSDT.long: size 0.25 at 60000, isolated margin 1500"),
    ("reopen BTCUSDT.long", "BTCUSDT.long: size 0.5 at 60500, isolated margin 3025"),
    ("type SOLUSDT isolated", "SOLUSDT: isolated"),
    ("leverage SOLUSDT 5", "SOLUSDT: leverage 5"),
    ("orders SOLUSDT 1", "SOLUSDT: 1 open orders"),
    ("algo-orders SOLUSDT 2", "SOLUSDT: 2 conditional orders"),
    ("auto-add BTCUSDT.long on", "BTCUSDT.long: automatic margin on"),
    ("auto-add BTCUSDT.long off", "BTCUSDT.long: automatic margin off"),
    ("deposit USDT +100", "USDT: wallet 14255"),
    ("multi-assets off", "multi-assets mode off"),
    ("switch v2_retired on", "switch v2_retired on"),
    ("switch amount_decimals 6", "switch amount_decimals 6"),
    ("switch weight_limit none", "switch weight_limit none"),
]


@pytest.mark.parametrize(("assignment", "said"), ASSIGNMENTS)
def test_an_assignment_is_carried_out_and_told(store: Store, assignment: str, said: str) -> None:
    assert control.set_(store, "demo", [assignment]) == [said]


def test_assignments_stay(store: Store, tmp_path: Path) -> None:
    control.set_(store, "demo", ["margin BTCUSDT.long +50", "orders SOLUSDT 1", "switch v2_retired on"])
    data = shown(Store(tmp_path, now_ms=lambda: NOW))
    assert data["positions"]["BTCUSDT.long"]["isolated_margin"] == "3050"
    assert (data["symbols"]["SOLUSDT"]["open_orders"], data["switches"]) == (1, {"v2_retired": True})


def test_a_one_way_account_can_be_made_and_turned_around(store: Store) -> None:
    addresses = shown(store)["positions"]
    control.set_(store, "demo", [*(f"close {address}" for address in addresses), "mode one-way"])
    said = control.set_(store, "demo", ["open BTCUSDT.net -0.1", "flip BTCUSDT"])
    assert said == ["BTCUSDT.net: size -0.1 at 60500, isolated margin 605", "BTCUSDT.net: size 0.1 at 60500"]


WRONG = [
    ("", "no such assignment"),
    ("margn BTCUSDT.long 5", "expected one of mark, margin"),
    ("margin BTCUSDT.long", r"expected margin ADDRESS \+AMOUNT"),
    ("margin BTCUSDT.long 5 6", r"expected margin ADDRESS"),
    ("margin BTCUSDT 5", "is not an address like"),
    ("margin NOPE.long 5", "'NOPE' is not listed"),
    ("margin BTCUSDT.long five", "not a decimal number"),
    ("margin BTCUSDT.long NaN", "not a finite number"),
    ("margin BTCUSDT.long 99999", "not enough free balance"),
    ("margin BTCUSDT.long -2999", "more than may be taken out"),
    ("margin BTCUSDT.net 5", "the side does not fit"),
    ("margin XRPUSDT.long 5", "no such open position"),
    ("margin ADAUSDT.long 5", "the symbol is crossed"),
    ("mark NOPE 5", "'NOPE' is not listed"),
    ("mark BTCUSDT 0", "a price must be positive"),
    ("type SOLUSDT cross", "neither isolated nor crossed"),
    ("type SOLUSDT crossed", "it is so already"),
    ("type BTCUSDT crossed", "a position is open"),
    ("orders SOLUSDT -1", "not a whole number"),
    ("auto-add BTCUSDT.long maybe", "neither on nor off"),
    ("deposit EUR 5", "'EUR' is not held"),
    ("multi-assets on", "a position is open"),
    ("mode both", "neither hedge nor one-way"),
    ("switch v2 on", "'v2' is not one"),
    ("switch v2_retired 3", "expected a bool"),
]


@pytest.mark.parametrize(("assignment", "said"), WRONG)
def test_a_wrong_assignment_is_told_and_nothing_of_the_invocation_happens(
    store: Store, assignment: str, said: str
) -> None:
    before = control.show(store, "demo")
    with pytest.raises(InputError, match=said):
        control.set_(store, "demo", ["margin BTCUSDT.long +1", assignment])
    assert control.show(store, "demo") == before


def test_nothing_to_set_is_told(store: Store) -> None:
    with pytest.raises(InputError, match="nothing to set"):
        control.set_(store, "demo", [])


def test_the_text_is_one_line_for_each_thing(store: Store) -> None:
    control.set_(store, "demo", ["orders BTCUSDT 1"])
    lines = control.show_text(control.show(store, "demo")).splitlines()
    assert lines[:2] == ["demo: binance, hedge", "  USDT: wallet 14155, not allocated 5355, free 5000"]
    assert "  BTCUSDT.long   isolated  3000 USDT  size 0.5    mark 60500  liquidation 54216.86746988" in lines
    assert lines[-3:] == ["  BTCUSDT: isolated, 1 orders", "  SOLUSDT: crossed", "  XRPUSDT: isolated"]


def test_serving_tells_where_and_with_which_keys(store: Store) -> None:
    serving = control.serve(store, exchange="binance", account="demo")
    try:
        told = serving.described()
        with requests.Session() as session:
            served = session.get(f"{told['url']}/fapi/v1/time", timeout=5).json()
    finally:
        serving.server.stop()
    assert set(told) == {"url", "api_key", "api_secret", "passphrase"}
    assert served["serverTime"] > NOW


def test_serving_takes_faults_from_a_file_or_from_a_seed(store: Store, tmp_path: Path) -> None:
    faults = tmp_path / "faults.toml"
    faults.write_text('[[rule]]\nanswer = "html_502"\n')
    serving = control.serve(store, exchange="binance", faults=faults)
    try:
        with requests.Session() as session:
            status = session.get(f"{serving.server.url}/fapi/v1/time", timeout=5).status_code
    finally:
        serving.server.stop()
    seeded = control.serve(store, exchange="binance", seed=4)
    seeded.server.stop()
    assert status == 502


def test_the_sandbox_inside_answers_and_keeps(store: Store) -> None:
    within = control.inside(store, "demo", "binance")
    with requests.Session() as session:
        session.mount(within.url, within.adapter)
        served = session.get(f"{within.url}/fapi/v1/time", timeout=5).json()
    assert served["serverTime"] > NOW
    assert control.reset(store, "demo") is True
