"""Who doubles: the same faults against what people use today and against this program, 100 accounts each, in one run.

    python -m benchmarks.doubling

Every account has a position with 1000 USDT behind it and is to have 1100. Its first write meets one of the faults of
``trouble``, each kind twenty times. Whose money moved is read from the exchange's own books, after everything that was
under way has arrived.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from benchmarks.states import ROOT, Served, declare, served
from benchmarks.trouble import KINDS

TRIALS = 100
WANTED = Decimal(1100)
SETTLED_S = 3
LATENCY_MS = 5
PEERS = (
    ("binance", "ccxt with tenacity", "ccxt_tenacity"),
    ("binance", "ccxt, maxRetriesOnFailure", "ccxt_retries"),
    ("binance", "requests, urllib3 Retry with POST", "requests_retry"),
    ("binance", "read again, add what is missing", "reread"),
    ("okx", "python-okx with tenacity", "okx_tenacity"),
)
SECONDS = 600
NOTE = f"""\
{TRIALS} accounts each, with a margin of 1000 that is declared as 1100. The first write of each meets one fault, twenty
of every kind. *lost*: the answer is lost after the effect. *503*: a gateway answers 503 after the effect. *late*: the
request arrives a second and a half late. *stale*: the answer is lost and reads are stale for three seconds. *never*:
the request never arrives. *Doubled* is more than was declared, by the exchange's own books. *Short* is less.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How one program's accounts ended; ``doubled`` counts by kind of fault."""

    exchange: str
    program: str
    doubled: Counter[str]
    short: int
    seconds: float

    @property
    def right(self) -> int:
        """How many have exactly what was wanted."""
        return TRIALS - self.doubled.total() - self.short


def peer(exchange: str, program: str, way: str) -> Tally:
    """One of today's ways."""
    with tempfile.TemporaryDirectory() as folder, _troubled(exchange) as there:
        keys = Path(folder) / "keys.json"
        keys.write_text(json.dumps(there.accounts))
        return _tally(there, program, ["benchmarks/peers/retrying.py", way, there.url, str(keys)])


def ours(exchange: str) -> Tally:
    """One ``reconcile apply`` of all accounts."""
    with tempfile.TemporaryDirectory() as folder, _troubled(exchange) as there:
        states = Path(folder) / "states"
        states.mkdir()
        for number in range(1, TRIALS + 1):
            declare(states / f"fleet-{number}.toml", there, account=number, margins=["1100"])
        words = ["-m", "benchmarks.unbound", "--home", f"{folder}/home", "apply", str(states), "--auto-approve"]
        return _tally(there, "reconcile", [*words, "--parallelism", "32"])


def _troubled(exchange: str) -> AbstractContextManager[Served]:
    switches: dict[str, object] | None = {} if exchange == "okx" else None
    return served(
        exchange=exchange, accounts=TRIALS, positions=1, latency_ms=LATENCY_MS, switches=switches, trouble=True
    )


def _tally(there: Served, program: str, words: Sequence[str]) -> Tally:
    began = time.monotonic()
    subprocess.run(
        [sys.executable, *words], cwd=ROOT, env=there.environment(), capture_output=True, timeout=SECONDS, check=False
    )
    seconds = time.monotonic() - began
    time.sleep(SETTLED_S)
    there.finish()
    margins = [Decimal(margin) for margin in there.seen["margins"]]
    kinds = list(KINDS)
    return Tally(
        exchange=there.exchange,
        program=program,
        doubled=Counter(kinds[number % len(kinds)] for number, margin in enumerate(margins) if margin > WANTED),
        short=sum(margin < WANTED for margin in margins),
        seconds=seconds,
    )


def tallies() -> list[Tally]:
    """All of them, ours after each exchange's peers."""
    found = []
    for exchange in ("binance", "okx"):
        found += [peer(*row) for row in PEERS if row[0] == exchange]
        found.append(ours(exchange))
    return found


def table(found: Sequence[Tally]) -> str:
    """The tallies as Markdown."""
    kinds = " | ".join(KINDS)
    lines = [
        f"| Exchange | Program | Doubled, of {TRIALS} | {kinds} | Short | Right |",
        "| --- | --- | --: | " + " | ".join("--:" for _ in KINDS) + " | --: | --: |",
    ]
    for tally in found:
        by_kind = " | ".join(str(tally.doubled[kind]) for kind in KINDS)
        lines.append(
            f"| {tally.exchange} | {tally.program} | **{tally.doubled.total()}** | {by_kind} | {tally.short} | "
            f"{tally.right} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(table(tallies()))
