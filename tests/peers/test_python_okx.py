"""python-okx against the sandbox: reads, addition, reduction, leverage, refusals."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from okx.Account import AccountAPI
from okx.PublicData import PublicAPI

from tests.peers.kit import D, Served, served

BTC, SOL, COIN = "BTC-USDT-SWAP", "SOL-USDT-SWAP", "BTC-USD-SWAP"
MARGIN = "/api/v5/account/position/margin-balance"


@pytest.fixture
def place() -> Iterator[Served]:
    with served("okx", key_kind="demo") as found:
        yield found


@pytest.fixture
def account(place: Served) -> Iterator[Any]:
    with client_of(place) as made:
        yield made


def client_of(place: Served, flag: str = "1") -> Any:
    """A client of the account; a context manager. Flag 1 is demo trading, 0 is live."""
    keys = place.account
    return AccountAPI(keys.key, keys.secret, keys.passphrase, flag=flag, domain=place.url)


def test_its_reads_show_the_books(place: Served, account: Any) -> None:
    rows = account.get_positions(instType="SWAP")["data"]
    shown = {(row["instId"], row["posSide"], row["mgnMode"]): row["margin"] for row in rows}
    assert len(rows) == len(place.books.positions)
    assert shown[BTC, "long", "isolated"] == "3000"
    assert shown[BTC, "long", "cross"] == ""
    assert account.get_account_config()["data"][0]["uid"] == place.books.uid
    details = {row["ccy"]: row for row in account.get_account_balance()["data"][0]["details"]}
    assert D(details["USDT"]["availBal"]) == 5000


def test_its_additions_and_reductions_are_in_the_books_and_in_its_bills(place: Served, account: Any) -> None:
    assert account.adjustment_margin(BTC, "long", "add", "12.5")["code"] == "0"
    assert account.adjustment_margin(BTC, "short", "reduce", "7.25")["code"] == "0"
    assert place.books.margin(BTC, "long") == D("3012.5")
    assert place.books.margin(BTC, "short") == D("2492.75")
    bills = account.get_account_bills(instType="SWAP", type="6")["data"]
    assert [(row["subType"], row["posBalChg"]) for row in bills] == [("161", "-7.25"), ("160", "12.5")]
    archive = account.get_account_bills_archive(type="6")["data"]
    assert [row["billId"] for row in archive] == [row["billId"] for row in bills]


def test_it_sends_an_empty_parameter_that_the_exchange_no_longer_documents(place: Served, account: Any) -> None:
    account.adjustment_margin(BTC, "long", "add", "1")
    body = json.loads(place.last("POST", MARGIN).body)
    assert body["loanTrans"] == ""
    assert place.books.margin(BTC, "long") == 3001


def test_margin_of_an_inverse_contract_is_in_coin(place: Served, account: Any) -> None:
    assert account.adjustment_margin(COIN, "long", "add", "0.01")["code"] == "0"
    assert place.books.margin(COIN, "long") == D("0.07")


@pytest.mark.parametrize(
    ("call", "code"),
    [
        ((BTC, "net", "add", "1"), "51000"),
        (("X-USDT-SWAP", "long", "add", "1"), "51001"),
        ((SOL, "short", "add", "1"), "59300"),
        ((BTC, "short", "reduce", "2000"), "59301"),
        ((BTC, "long", "add", "100000"), "59303"),
    ],
)
def test_it_hands_refusals_on_as_bodies_whatever_the_status(
    place: Served, account: Any, call: tuple[str, ...], code: str
) -> None:
    before = dict(place.books.positions)
    assert account.adjustment_margin(*call)["code"] == code
    assert dict(place.books.positions) == before


def test_a_leverage_call_converts_no_position(place: Served, account: Any) -> None:
    answer = account.set_leverage(lever="10", mgnMode="isolated", instId=SOL, posSide="short")
    assert answer["code"] == "0"
    assert place.books.position(SOL, "short", "isolated") is None
    assert place.books.position(SOL, "short", "crossed") is not None
    assert account.get_leverage(mgnMode="isolated", instId=SOL)["data"][0]["lever"] == "10"


def test_a_live_key_does_not_work_with_its_demo_flag() -> None:
    with served("okx", key_kind="live") as place:
        with client_of(place, "1") as wrong:
            assert wrong.get_account_config()["code"] == "50101"
        with client_of(place, "0") as right:
            assert right.get_account_config()["code"] == "0"


def test_its_public_reads(place: Served) -> None:
    with PublicAPI(flag="1", domain=place.url) as public:
        names = {row["instId"] for row in public.get_instruments(instType="SWAP")["data"]}
        tiers = public.get_position_tiers(instType="SWAP", tdMode="isolated", instFamily="BTC-USDT")["data"]
        now = public.get_system_time()["data"][0]["ts"]
    assert names == set(place.books.markets)
    assert tiers[0]["maxSz"] == "2500"
    assert int(now) >= place.books.now_ms
