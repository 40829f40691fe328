"""State files: valid ones with bytes damaged, and with other values in their keys."""

import os
import re
import tempfile
from functools import cache
from pathlib import Path
from random import Random

from reconcile import statefile
from reconcile.errors import StateFileErrors
from tests.fuzz import strategies
from tests.fuzz.harness import Target
from tests.fuzz.mutators import damaged

_FULL = """\
version = 1
include = ["desk.toml"]

[account]
name = "main"
exchange = "{exchange}"
position_mode = "hedge"
endpoint = "sandbox"
credentials = "MAIN"
amount_step = "0.01"
grace = "5s"
cold_start = "wait"
uid = "44705892343619584"

[defaults]
margin_type = "isolated"
tolerance = "0.5%"

[policy]
allow_reduce = true
min_liquidation_distance = "5%"
max_margin = "100%"
max_add = 5_000
max_total_add = {{ USDT = 20000, BTC = "0.5" }}
max_total_reduce = 1e4
max_changes = 20
min_available = 1000.5
unmanaged = "report"

[positions."{one}".long]
isolated_margin = 1500
tolerance = 0.01

[positions."{one}".short]
isolated_margin = "900.5"

[positions."{two}".long]
margin_type = "crossed"

[positions."*.long"]
isolated_margin = 100
auto_add = false

[positions."B*{one}.short"]
liquidation_distance = {{ floor = "8%", target = "12%", ceiling = "25%" }}
at_most = 4000
"""
_VALUES = (
    b"true", b"0", b"-1", b"0x10", b"1_0", b"1e99999999999999999999", b"inf", b"nan", b"'x'", b'"\\ud800"', b'""',
    b'"\\uFF11\\uFF12"', b'"1_0"', b'"1e40"', b'"5%"', b'"-5%"', b'"1e9%"', b'"99999999999999d"', b'"5s"', b"[]",
    b"{}",     b"{USDT = 1}", b"{USDT = 1, USDT = 2}", b"[[1]]", b"1979-05-27T07:32:00Z",
    b"9999-12-31T23:59:59-23:59", b"07:32:00",
    b'["desk.toml"]', b'["../desk.toml"]', b'["/etc/passwd.toml"]', b'["desk.toml", "desk.toml"]',
    b'"isolated"', b'"crossed"', b'"okx"', b'"https://h.example"', b'"http://[::1].evil.com"', b'"http://127.0.0.1:1"',
    b'"##[error]x"', b"'''\n::error::x'''", b'"' + b"9" * 200 + b'"', b"9" * 200, b"0." + b"1" * 200, b"1.5", b"1e-45",
)  # fmt: skip
_VALUE = re.compile(rb"(?<== )[^\n]+")
_SHORT = b'version = 1\naccount = {name = "m", exchange = "binance", position_mode = "one-way"}\n'


@cache
def _documents() -> tuple[bytes, ...]:
    pairs = {"binance": ("BTCUSDT", "ETHUSDT"), "okx": ("BTC-USDT-SWAP", "ETH-USDT-SWAP"), "bitget": ("BTCUSDT", "X")}
    full = [_FULL.format(exchange=name, one=one, two=two).encode() for name, (one, two) in pairs.items()]
    return (*full, _SHORT)


@cache
def _file() -> Path:
    """One file of this process, in memory where the machine has such a place."""
    shared = Path("/dev/shm")  # noqa: S108 - only test input is written, to a name of its own
    folder = Path(tempfile.mkdtemp(prefix="fuzz-", dir=shared if os.access(shared, os.W_OK) else None))
    (folder / "desk.toml").write_text("[policy]\nmax_changes = 20\n[defaults]\nrounding = 5\n")
    return folder / "state.toml"


def read(data: bytes) -> list[str]:
    """Read the file; what the accounts are. Every problem of one that is refused can be written."""
    _file().write_bytes(data)
    try:
        return [repr(statefile.load([_file()]))]
    except StateFileErrors as errors:
        for each in errors.problems:
            f"{each.file}:{each.line}: {each.key}: {each.message}".encode()
        raise


def _generated(random: Random) -> bytes:
    document = random.choice(_documents())
    if random.random() < 0.4:
        return damaged(random, document)
    for _ in range(1 + int(random.random() ** 3 * 4)):
        spans = [found.span() for found in _VALUE.finditer(document)]
        start, end = random.choice(spans) if spans else (0, 0)
        document = document[:start] + random.choice(_VALUES) + document[end:]
    return document


STATES = Target(
    name="states",
    about="state files, damaged and with other values",
    run=read,
    generate=_generated,
    strategy=lambda: strategies.damaged(_documents()),
)
