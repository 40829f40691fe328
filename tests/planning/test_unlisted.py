"""Why an entry names no instrument: a typing error with its suggestion, or a contract that ended."""

from dataclasses import replace

import pytest

from reconcile.planning.unlisted import MOST_SUGGESTED, reasons
from tests.kit.desk import observed, target

NOW_MS = 1_790_000_400_000  # 2026-09-21
LISTED = ("BTCUSDT", "DOGEUSDT", "BTC-USDT-SWAP", "BTC-USD-SWAP", "ETH-USDT-SWAP", "XRP-USDT-SWAP", "BTC-USD-261225")


@pytest.mark.parametrize(
    ("symbol", "says"),
    [
        ("BTC-UDST-SWAP", "did you mean BTC-USDT-SWAP"),
        ("btc-usdt-swap", "did you mean BTC-USDT-SWAP"),
        ("QQQ", "correct the symbol, or remove the entry if the contract was delisted"),
        ("ETHUSDT", "instruments; correct the symbol, or remove the entry if the contract was delisted"),
        ("BTC-USD-260626", "its delivery date 2026-06-26 has passed; remove the entry"),
        ("ETHUSDT_260626", "its delivery date 2026-06-26 has passed; remove the entry"),
        ("BTC-USD-261226", "did you mean BTC-USD-261225"),
        ("BTC-USD-269999", "correct the symbol, or remove the entry if the contract was delisted"),
    ],
)
def test_each_is_told_apart(symbol: str, says: str) -> None:
    account = replace(observed(), sent_at_ms=NOW_MS, instruments=LISTED)
    reason = reasons([target(f"{symbol}.net")], account)[symbol]
    assert reason.startswith(f"{symbol} is not one of the exchange's instruments; ")
    assert says in reason


def test_a_file_of_nothing_but_unknown_symbols_is_not_compared_for_ever() -> None:
    targets = [target(f"BTC-UDST-SWAP{number}.net") for number in range(MOST_SUGGESTED + 1)]
    found = list(reasons(targets, replace(observed(), instruments=LISTED)).values())
    assert ["did you mean" in reason for reason in found] == [True] * MOST_SUGGESTED + [False]
