"""The usual script: ccxt reads the positions, then adds what is missing, one symbol after the other.

    python benchmarks/peers/ccxt_script.py URL KEY SECRET TARGETS

TARGETS is a JSON file: {symbol: margin}. Symbols are the exchange's own. ccxt's own rate limiter is on, as it is by
default.
"""

import json
import sys

import ccxt

url, key, secret, targets = sys.argv[1:]
exchange = ccxt.binanceusdm({"apiKey": key, "secret": secret})
for name, place in exchange.urls["api"].items():
    if isinstance(place, str) and "fapi" in name:
        exchange.urls["api"][name] = (
            url + "/" + place.partition("/fapi/")[1].strip("/") + "/" + place.rpartition("/")[2]
        )

with open(targets) as file:
    wanted = json.load(file)
for row in exchange.fapiPrivateV2GetPositionRisk():
    if row["positionSide"] == "LONG" and row["symbol"] in wanted:
        missing = wanted[row["symbol"]] - float(row["isolatedWallet"])
        if missing > 0:
            exchange.fapiPrivatePostPositionMargin(
                {"symbol": row["symbol"], "positionSide": "LONG", "amount": missing, "type": 1}
            )
