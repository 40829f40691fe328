"""Real processes, really killed: the installed command against the loopback sandbox, SIGKILL at random instants.

A ``Rig`` is one sandbox account behind real sockets, with faults of its own, and one home. ``torment`` starts the
command, kills it, starts it again, declares something else meanwhile, and in the end lets it finish. What is asked of
it is asked of the sandbox's books.
"""

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Self

from reconcile.sandbox.books import Books
from reconcile.sandbox.demo import account_of
from reconcile.sandbox.faults import Ending, Fault, FaultPlan, FaultRule
from reconcile.sandbox.registry import simulated
from reconcile.sandbox.server import SandboxServer
from reconcile.sandbox.values import ISOLATED, BookEffect, Market, Setting, brackets
from reconcile.sandbox.venue import Venue

ROOT = Path(__file__).parents[2]
TARGETS = (1_500, 1_200, 1_700, 1_100)
BEFORE = 1_000
SYMBOLS = {"binance": "BTCUSDT", "okx": "BTC-USDT-SWAP", "bitget": "BTCUSDT"}
LONGEST_S = 180
_HOUR_MS = 3_600_000
_OWN_RUNS = 4
"""How many runs in a row, none of them killed, may be needed in the end."""


@dataclass(slots=True)
class Torment:
    """How it went: how often a process was killed, the exit codes of those that ended, and what was wrong."""

    kills: int = 0
    codes: list[int] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


class Rig:
    """One account, one server, one home; use it as a context manager."""

    def __init__(self, folder: Path, *, exchange: str, seed: int) -> None:
        self.exchange, self.folder = exchange, folder
        self.dice = random.Random(seed)
        self.books = _books(exchange)
        self.account = account_of(exchange, f"rig-{seed}", self.books)
        kind = simulated(exchange)
        dialect = kind.dialect([self.account], kind.switched({}))
        self.server = SandboxServer(Venue(dialect=dialect, faults=_faults(seed), latency_ms=150))
        self.declared: list[tuple[int, int]] = []
        """What was declared, each from a moment on (Unix ms)."""

    def __enter__(self) -> Self:
        """Serve."""
        self.server.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop serving."""
        self.server.stop()

    def declare(self, target: int) -> None:
        """Write the state file."""
        self.declared.append((time.time_ns() // 1_000_000, target))
        text = f"""
            version = 1
            [account]
            name = "rig"
            exchange = "{self.exchange}"
            position_mode = "hedge"
            endpoint = "{self.server.url}"
            grace = "1s"
            cold_start = "trust"
            [policy]
            allow_reduce = true
            max_margin = 1000000
            [positions."{SYMBOLS[self.exchange]}".long]
            isolated_margin = {target}
            tolerance = "0.01"
        """
        (self.folder / "rig.toml").write_text("\n".join(line.strip() for line in text.splitlines()), encoding="utf-8")

    def start(self) -> "subprocess.Popen[bytes]":
        """``reconcile apply`` on it, as its own process group."""
        environment = {
            **os.environ,
            "RIG_API_KEY": self.account.key,
            "RIG_API_SECRET": self.account.secret,
            "RIG_PASSPHRASE": self.account.passphrase,
            "PYTHONPATH": str(ROOT),
        }
        command = [sys.executable, "-m", "reconcile", "apply", "rig.toml", "--auto-approve", "--home", "home"]
        with (self.folder / "log.txt").open("ab") as log:
            return subprocess.Popen(command, cwd=self.folder, env=environment, stdout=log, stderr=log)

    def torment(self, kills: int) -> Torment:
        """Kill it that often, then let it finish, then once more; see what the books say."""
        done = Torment()
        self.declare(TARGETS[0])
        for number in range(kills):
            if number % 3 == 2:
                self.declare(self.dice.choice(TARGETS))
            self._kill_one(done)
        for _ in range(_OWN_RUNS):
            done.codes.append(self.start().wait(LONGEST_S))
            if done.codes[-1] == 0:
                break
        effects = len(self.books.effects)
        done.codes.append(self.start().wait(LONGEST_S))
        if len(self.books.effects) != effects:
            done.wrong.append("a further apply moved something")
        self._judge(done)
        return done

    def _kill_one(self, done: Torment) -> None:
        process = self.start()
        try:
            done.codes.append(process.wait(self.dice.uniform(0.2, 3.5)))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            done.kills += 1

    def _judge(self, done: Torment) -> None:
        if done.codes[-1] != 0:
            done.wrong.append(f"it ended with {done.codes}")
        target = Decimal(self.declared[-1][1])
        margin = self.books.margin(SYMBOLS[self.exchange], "long")
        if abs(margin - target) > Decimal("0.01"):
            done.wrong.append(f"the margin is {margin} instead of {target}")
        requests = [effect.request for effect in self.books.effects]
        if len(requests) != len(set(requests)):
            done.wrong.append("a request took effect twice")
        done.wrong.extend(text for effect in self.books.effects if (text := self._past(effect)) is not None)

    def _past(self, effect: BookEffect) -> str | None:
        """Whether a call led past everything that was declared while it can have been decided."""
        recent = [target for at_ms, target in self.declared if at_ms <= effect.time_ms][-2:]
        if effect.change > 0 and effect.margin > max(recent):
            return f"{effect.change} led to {effect.margin}, past {recent}"
        if effect.change < 0 and effect.margin < min(recent):
            return f"{effect.change} led to {effect.margin}, past {recent}"
        return None


def _books(exchange: str) -> Books:
    now_ms = time.time_ns() // 1_000_000 - _HOUR_MS
    symbol = SYMBOLS[exchange]
    books = Books(uid="100000002", position_mode="hedge", rules=simulated(exchange).rules)
    tiers = brackets([("50000", "0.005", 75), ("600000", "0.0065", 50)])
    market = Market(symbol=symbol, asset="USDT", mark=Decimal(100), tiers=tiers, base="BTC", quote="USDT")
    books.add_market(market, setting=Setting(margin_type=ISOLATED, leverage=Decimal(10)))
    books.deposit("USDT", Decimal(100_000 + BEFORE), now_ms=now_ms)
    books.open_position(symbol, "long", Decimal(10), now_ms=now_ms, margin=Decimal(BEFORE), margin_type=ISOLATED)
    books.effects.clear()
    return books


def _faults(seed: int) -> FaultPlan:
    """One write in three goes wrong, and a few reads."""
    late = Fault(arrives_ms=(1_500,), ending=Ending.LOST)
    return FaultPlan(
        [
            FaultRule(fault=late, method="POST", chance=0.15),
            FaultRule(fault=Fault(ending=Ending.LOST), method="POST", chance=0.15),
            FaultRule(fault=Fault(arrives_ms=(), ending=Ending.LOST), method="POST", chance=0.1),
            FaultRule(fault=Fault(ending=Ending.LOST), method="GET", chance=0.03),
        ],
        seed=seed,
    )
