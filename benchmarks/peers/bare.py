"""The floor under an apply: a pooled ``requests`` script that sends N margin calls blindly.

It reads no position, journals nothing, verifies nothing and believes every answer that is not an error. What it does
with Python's most used HTTP library is what any program has to do: sign, send, wait.

    python benchmarks/peers/bare.py URL KEY SECRET WORK PARALLELISM

WORK is a JSON file: a list of [symbol, side, amount].
"""

import hashlib
import hmac
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

import requests
from requests.adapters import HTTPAdapter

url, key, secret, work, parallelism = sys.argv[1:]
session = requests.Session()
session.mount("http://", HTTPAdapter(pool_maxsize=int(parallelism)))
session.headers["X-MBX-APIKEY"] = key


def add(row):
    symbol, side, amount = row
    query = urlencode(
        {
            "symbol": symbol,
            "positionSide": side,
            "amount": amount,
            "type": 1,
            "recvWindow": 5000,
            "timestamp": int(time.time() * 1000),
        }
    )
    signature = hmac.new(secret.encode(), query.encode(), hashlib.sha256).hexdigest()
    session.post(f"{url}/fapi/v1/positionMargin?{query}&signature={signature}", timeout=10).raise_for_status()


with open(work) as file:
    rows = json.load(file)
with ThreadPoolExecutor(int(parallelism)) as threads:
    list(threads.map(add, rows))
