"""A simulated exchange to run against, state files for its accounts, and the environment that holds their keys."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reconcile.sandbox.demo import fleet_symbol

ROOT = Path(__file__).resolve().parent.parent
UNLIMITED: Mapping[str, object] = {"weight_limit": None, "weight_header_lost": True}
"""Switches of a Binance that counts no weight and says nothing of it, so that its limit does not bind."""


@dataclass(slots=True, kw_only=True)
class Served:
    """A running exchange: where it is, the keys of its accounts in order, its process, and at the end what it saw."""

    exchange: str
    url: str
    accounts: Sequence[Mapping[str, str]]
    process: "subprocess.Popen[bytes] | None" = None
    seen: Mapping[str, Any] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        """The environment in which the accounts ``fleet-1``, ``fleet-2``, … have their keys."""
        found = dict(os.environ, PYTHONPATH=str(ROOT), NO_COLOR="1")
        for number, keys in enumerate(self.accounts, start=1):
            found[f"FLEET_{number}_API_KEY"] = keys["key"]
            found[f"FLEET_{number}_API_SECRET"] = keys["secret"]
            found[f"FLEET_{number}_PASSPHRASE"] = keys["passphrase"]
        return found

    def finish(self) -> None:
        """Stop serving; ``seen`` is set after it."""
        process = self.process
        if process is not None and process.stdin is not None and process.stdout is not None and not self.seen:
            process.stdin.close()
            self.seen = json.loads(process.stdout.readline())

    def cpu_seconds(self) -> float:
        """User and system time that the exchange's process has used so far."""
        fields = (
            Path(f"/proc/{self.process.pid if self.process else 'self'}/stat")
            .read_text(encoding="ascii")
            .rpartition(")")[2]
            .split()
        )
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def served(
    *,
    exchange: str = "binance",
    accounts: int = 1,
    positions: int = 10,
    latency_ms: int = 0,
    switches: Mapping[str, object] | None = None,
    trouble: bool = False,
) -> Iterator[Served]:
    """A simulated exchange in its own process for as long as the block lasts; ``switches`` None: it counts nothing."""
    chosen = UNLIMITED if switches is None else switches
    words = [sys.executable, "-m", "benchmarks.serve", "--exchange", exchange, "--switches", json.dumps(chosen)]
    words += ["--accounts", str(accounts), "--positions", str(positions), "--latency", str(latency_ms)]
    words += ["--trouble"] if trouble else []
    with subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        if process.stdout is None:
            raise RuntimeError("the pipe was asked for")
        facts = json.loads(process.stdout.readline())
        running = Served(exchange=exchange, url=facts["url"], accounts=facts["accounts"], process=process)
        try:
            yield running
        finally:
            running.finish()


def declare(
    path: Path, exchange: Served, *, account: int = 1, margins: Sequence[str] = (), ways: Sequence[str] = ()
) -> Path:
    """Write the state file of one account: the margins of its long positions in order, or their keys as written."""
    lines = [
        "version = 1",
        "[account]",
        f'name = "fleet-{account}"',
        f'exchange = "{exchange.exchange}"',
        'position_mode = "hedge"',
        f'endpoint = "{exchange.url}"',
        'cold_start = "trust"',
        "[defaults]",
        'tolerance = "0"',
    ]
    for number, way in enumerate(ways or [f"isolated_margin = {margin}" for margin in margins], start=1):
        lines += [f"[positions.{fleet_symbol(exchange.exchange, number)}.long]", way]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
