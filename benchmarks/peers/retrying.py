"""The ways in which people make a margin call survive a bad network today, one function for each.

    python benchmarks/peers/retrying.py WAY URL KEYS

KEYS is a JSON file: a list of {key, secret, passphrase}. Every account is to have 1100 USDT behind its first position,
which has 1000. Whatever ends in an error is left as it is: the exchange's books tell what became of it.
"""

import hashlib
import hmac
import json
import logging
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

from tenacity import retry, stop_after_attempt, wait_fixed

WANTED = 1100
MISSING = 100
AT_ONCE = 16
logging.disable()
warnings.simplefilter("ignore")


def _ccxt(url, keys, **options):
    import ccxt

    exchange = ccxt.binanceusdm({"apiKey": keys["key"], "secret": keys["secret"], "options": options})
    for name, place in exchange.urls["api"].items():
        if isinstance(place, str) and "fapi" in name:
            exchange.urls["api"][name] = f"{url}/fapi/{place.rpartition('/')[2]}"
    return exchange


def _ccxt_add(exchange):
    exchange.fapiPrivatePostPositionMargin({"symbol": "C1USDT", "positionSide": "LONG", "amount": MISSING, "type": 1})


def ccxt_tenacity(url, keys):
    """ccxt, tenacity around the call."""
    exchange = _ccxt(url, keys)
    retry(stop=stop_after_attempt(5), wait=wait_fixed(0.2), reraise=True)(_ccxt_add)(exchange)


def ccxt_retries(url, keys):
    """ccxt with its own maxRetriesOnFailure."""
    _ccxt_add(_ccxt(url, keys, maxRetriesOnFailure=3, maxRetriesOnFailureDelay=200))


def _signed(keys, params):
    query = urlencode({**params, "recvWindow": 5000, "timestamp": int(time.time() * 1000)})
    return f"{query}&signature={hmac.new(keys['secret'].encode(), query.encode(), hashlib.sha256).hexdigest()}"


def _add(session, url, keys, amount):
    query = _signed(keys, {"symbol": "C1USDT", "positionSide": "LONG", "amount": amount, "type": 1})
    session.post(f"{url}/fapi/v1/positionMargin?{query}", timeout=10).raise_for_status()


def _session(keys):
    import requests

    session = requests.Session()
    session.headers["X-MBX-APIKEY"] = keys["key"]
    return session


def requests_retry(url, keys):
    """requests with urllib3's Retry, POST allowed."""
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    session = _session(keys)
    policy = Retry(total=5, backoff_factor=0.2, status_forcelist=[500, 502, 503, 504], allowed_methods=None)
    session.mount("http://", HTTPAdapter(max_retries=policy))
    _add(session, url, keys, MISSING)


def reread(url, keys):
    """On an error read the position again, and add what is still missing."""
    import requests

    session = _session(keys)
    for _ in range(5):
        answer = session.get(f"{url}/fapi/v2/positionRisk?{_signed(keys, {'symbol': 'C1USDT'})}", timeout=10)
        live = next(float(row["isolatedWallet"]) for row in answer.json() if row["positionSide"] == "LONG")
        if live >= WANTED:
            return
        try:
            _add(session, url, keys, WANTED - live)
        except requests.RequestException:
            time.sleep(0.5)


def okx_tenacity(url, keys):
    """python-okx, tenacity around the call."""
    from okx import Account

    api = Account.AccountAPI(keys["key"], keys["secret"], keys["passphrase"], flag="0", domain=url)

    def add():
        answer = api.adjustment_margin("C1-USDT-SWAP", "long", "add", str(MISSING))
        if answer["code"] != "0":
            raise RuntimeError(answer["msg"])

    retry(stop=stop_after_attempt(5), wait=wait_fixed(0.2), reraise=True)(add)()


WAYS = {way.__name__: way for way in (ccxt_tenacity, ccxt_retries, requests_retry, reread, okx_tenacity)}


def main():
    """Let every account try."""
    way, url, file = WAYS[sys.argv[1]], sys.argv[2], sys.argv[3]
    with open(file) as text:
        accounts = json.load(text)
    failed = []

    def attempt(keys):
        try:
            way(url, keys)
        except Exception as error:
            failed.append(repr(error))

    with ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(attempt, accounts))
    print(f"{len(failed)} gave up; {failed[:1]}")


if __name__ == "__main__":
    main()
