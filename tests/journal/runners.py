"""Two machines' worth of runners on one shared journal: killed at random, their database restarted under them.

    python -m tests.journal.runners --processes 8 --accounts 40 --rounds 4 --kills 30 --restarts 2

Every runner is the installed command with all state files, half of them with the home of one machine and half with the
other's; each account is applied by one of them at a time. Requests and answers get lost and come late besides. What is
asked at the end is asked of the sandbox's books: every position was moved to each of its targets, round by round, by
exactly one effect of one request.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reconcile.audit.verifying import verify
from reconcile.clock import SystemClock
from reconcile.journal.identity import is_notes
from reconcile.journal.postgres.store import PostgresStore
from reconcile.journal.postgres.url import place_of
from reconcile.sandbox.demo import fleet, fleet_symbol
from reconcile.sandbox.faults import Ending, Fault, FaultPlan, FaultRule
from reconcile.sandbox.registry import simulated
from reconcile.sandbox.server import SandboxServer
from reconcile.sandbox.venue import Venue
from tests.kit.postgres_server import Server

ROOT = Path(__file__).parents[2]
EXCHANGE = "binance"
TARGETS = (1_500, 1_250, 1_900, 1_300, 1_700)
UNLIMITED = {"weight_limit": None, "weight_header_lost": True}
"""All runners share one address, whose weight they would wait for most of the time."""
LONGEST_S = 300
_DEFAULTS = {"processes": 8, "accounts": 40, "positions": 2, "rounds": 4, "kills": 30, "restarts": 2, "seed": 1}
_HOUR_MS = 3_600_000
_LAST_RUNS = 6
"""How many runs in a row, none of them killed, may be needed at the end."""


@dataclass(slots=True)
class Figures:
    """How it went; ``wrong`` must be empty."""

    runs: int = 0
    kills: int = 0
    restarts: int = 0
    crashes: int = 0
    seconds: int = 0
    codes: Counter[int] = field(default_factory=Counter)
    writes: int = 0
    effects: int = 0
    records: int = 0
    wrong: list[str] = field(default_factory=list)


class Runners:
    """One campaign, on a database server that runs already."""

    def __init__(
        self, server: Server, folder: Path, *, processes: int, accounts: int, positions: int, seed: int
    ) -> None:
        self._server, self._folder = server, folder
        self._processes, self._positions = processes, positions
        self._dice = random.Random(seed)
        now_ms = time.time_ns() // 1_000_000 - _HOUR_MS
        kind = simulated(EXCHANGE)
        self._accounts = list(fleet(EXCHANGE, kind.rules, accounts=accounts, positions=positions, now_ms=now_ms))
        for account in self._accounts:
            account.books.effects.clear()
        dialect = kind.dialect(self._accounts, kind.switched(dict(UNLIMITED)))
        self._exchange = SandboxServer(Venue(dialect=dialect, faults=_faults(seed), latency_ms=60))
        self._figures = Figures()
        self._turn = threading.Lock()
        self._stopping = threading.Event()
        self._until = self._rounds = 0

    def run(self, *, rounds: int, kills: int, restarts: int) -> Figures:
        """In each round declare other targets, kill so many runners and restart the database that often, then let the
        runners finish."""
        begun = time.monotonic()
        self._exchange.start()
        try:
            for turn in range(rounds):
                self._rounds = turn + 1
                self._declare()
                self._torment(self._figures.kills + kills, restarts)
                self._finish()
        finally:
            self._stopping.set()
            self._exchange.stop()
        self._judge()
        self._figures.seconds = int(time.monotonic() - begun)
        return self._figures

    def _torment(self, kills: int, restarts: int) -> None:
        self._until, self._stopping = kills, threading.Event()
        threads = [threading.Thread(target=self._machine, args=(number,)) for number in range(self._processes)]
        for thread in threads:
            thread.start()
        self._restart(restarts)
        for thread in threads:
            thread.join()

    def _machine(self, number: int) -> None:
        """One runner after the other in one place, some of them killed."""
        dice = random.Random(self._dice.random())
        while not self._stopping.is_set():
            process = self._start(number, dice.choice(("wait", "skip")))
            try:
                code = process.wait(dice.uniform(0.4, 4))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                self._count(None)
            else:
                self._count(code)

    def _count(self, code: int | None) -> None:
        with self._turn:
            self._figures.runs += 1
            if code is None:
                self._figures.kills += 1
            else:
                self._figures.codes[code] += 1
            if self._figures.kills >= self._until:
                self._stopping.set()

    def _restart(self, restarts: int) -> None:
        """In good order and as a crash, in turns, spread over the kills."""
        before = self._figures.kills
        for number in range(restarts):
            due = before + (number + 1) * (self._until - before) // (restarts + 1)
            while self._figures.kills < due and not self._stopping.wait(0.1):
                pass
            crash = number % 2 == 1
            self._server.restart(signal.SIGQUIT if crash else signal.SIGINT)
            self._figures.restarts += 1
            self._figures.crashes += crash

    def _finish(self) -> None:
        for number in range(_LAST_RUNS):
            code = self._start(number, "wait").wait(LONGEST_S)
            self._figures.codes[code] += 1
            self._figures.runs += 1
            if code == 0:
                break
        else:
            self._figures.wrong.append(f"the last run ended with {code}")
        effects = self._effects()
        if self._start(0, "wait").wait(LONGEST_S) != 0 or self._effects() != effects:
            self._figures.wrong.append("a further apply moved something, or failed")

    def _start(self, number: int, if_locked: str) -> "subprocess.Popen[bytes]":
        machine = self._folder / f"machine-{number % 2}"
        words = [
            "apply",
            str(self._folder / "states"),
            "--auto-approve",
            "--home",
            str(machine),
            "--if-locked",
            if_locked,
        ]
        with (self._folder / f"log-{number}.txt").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "reconcile", *words],
                env=self._environment(),
                stdout=log,
                stderr=log,
                cwd=self._folder,
            )

    def _environment(self) -> Mapping[str, str]:
        found = {**os.environ, "PYTHONPATH": str(ROOT), "RECONCILE_JOURNAL": self._server.url}
        for number, account in enumerate(self._accounts, start=1):
            found[f"FLEET_{number}_API_KEY"] = account.key
            found[f"FLEET_{number}_API_SECRET"] = account.secret
        return found

    def _declare(self) -> None:
        (self._folder / "states").mkdir(exist_ok=True)
        for number in range(1, len(self._accounts) + 1):
            lines = [
                "version = 1",
                "[account]",
                f'name = "fleet-{number}"',
                f'exchange = "{EXCHANGE}"',
                'position_mode = "hedge"',
                f'endpoint = "{self._exchange.url}"',
                'grace = "1s"',
                'cold_start = "trust"',
                "[policy]",
                "allow_reduce = true",
            ]
            for index in range(1, self._positions + 1):
                target = self._targets(index)[-1]
                lines += [f"[positions.{fleet_symbol(EXCHANGE, index)}.long]", f"isolated_margin = {target}"]
            text = "\n".join([*lines, ""])
            (self._folder / "states" / f"fleet-{number}.toml").write_text(text, encoding="utf-8")

    def _targets(self, index: int) -> list[int]:
        """What was declared for a position, round by round."""
        return [TARGETS[(index + turn) % len(TARGETS)] for turn in range(self._rounds)]

    def _effects(self) -> int:
        return sum(len(account.books.effects) for account in self._accounts)

    def _judge(self) -> None:
        figures = self._figures
        for number, account in enumerate(self._accounts, start=1):
            for index in range(1, self._positions + 1):
                symbol, targets = fleet_symbol(EXCHANGE, index), self._targets(index)
                seen = [effect.margin for effect in account.books.effects if effect.symbol == symbol]
                if list(map(int, seen)) != targets or account.books.margin(symbol, "long") != targets[-1]:
                    figures.wrong.append(f"fleet-{number} {symbol}: was {list(map(str, seen))}, declared {targets}")
        figures.effects = self._effects()
        store = PostgresStore(place_of(self._server.url), SystemClock())
        verdicts = verify(store, {})
        figures.wrong += [verdict.message for verdict in verdicts if not verdict.is_good]
        figures.records = sum(verdict.records for verdict in verdicts)
        journals = [verdict for verdict in verdicts if not is_notes(verdict.identity)]
        if len(journals) != len(self._accounts):
            figures.wrong.append(f"{len(journals)} journals for {len(self._accounts)} accounts")
        figures.writes = sum(
            1 for verdict in verdicts for line in store.lines(verdict.identity) if line["kind"] == "intent"
        )


def _faults(seed: int) -> FaultPlan:
    """One write in four goes wrong, and a few reads."""
    return FaultPlan(
        [
            FaultRule(fault=Fault(arrives_ms=(1_500,), ending=Ending.LOST), method="POST", chance=0.08),
            FaultRule(fault=Fault(ending=Ending.LOST), method="POST", chance=0.08),
            FaultRule(fault=Fault(arrives_ms=(), ending=Ending.LOST), method="POST", chance=0.08),
            FaultRule(fault=Fault(ending=Ending.LOST), method="GET", chance=0.02),
        ],
        seed=seed,
    )


def main() -> None:
    """A campaign with its figures as one line of JSON; exit 1 when anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in _DEFAULTS.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Server(max_connections="100") as server:
        runners = Runners(
            server,
            Path(folder),
            processes=given.processes,
            accounts=given.accounts,
            positions=given.positions,
            seed=given.seed,
        )
        figures = runners.run(rounds=given.rounds, kills=given.kills, restarts=given.restarts)
        if figures.wrong:
            print("".join(path.read_text()[-3000:] for path in sorted(Path(folder).glob("log-*.txt"))))
    print(json.dumps({name: getattr(figures, name) for name in Figures.__slots__}))
    sys.exit(1 if figures.wrong else 0)


if __name__ == "__main__":
    main()
