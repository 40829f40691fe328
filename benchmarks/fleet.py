"""Planning a fleet: 500 accounts of 20 positions each, 20 ms away.

    python -m benchmarks.fleet

The floor is the requests' own time: accounts × requests of one account × latency ÷ parallelism, ten at once. Binance's
weight limit would allow 137 accounts a minute, so it is out of the way on both ends (see ``unbound``).
"""

import tempfile
from pathlib import Path

from benchmarks.running import Row, memory, python, table
from benchmarks.states import Served, declare, served

ACCOUNTS = 500
POSITIONS = 20
LATENCY_MS = 20
PARALLELISM = 10
TURNS = 2
MOST_MIB = 150


def rows() -> list[Row]:
    """Time and memory."""
    with (
        tempfile.TemporaryDirectory() as folder,
        served(accounts=ACCOUNTS, positions=POSITIONS, latency_ms=LATENCY_MS) as exchange,
    ):
        states = Path(folder) / "states"
        states.mkdir()
        _declare_all(states, exchange)
        words = ["-m", "benchmarks.unbound", "--home", f"{folder}/home", "plan", str(states)]
        runs = [python(*words, "--parallelism", str(PARALLELISM), env=exchange.environment()) for _ in range(TURNS)]
    requests = sum(exchange.seen["requests"].values()) / TURNS
    floor = requests * LATENCY_MS / 1000 / PARALLELISM
    ratios = sorted(run.wall / floor for run in runs)
    cpu = max(run.cpu for run in runs)
    work = f"plan {ACCOUNTS} accounts × {POSITIONS} positions, {LATENCY_MS} ms away, {PARALLELISM} at once"
    return [
        Row(
            work=work,
            measure="÷ (requests × latency ÷ parallelism)",
            reach="≤ 1.3",
            value=ratios[0],
            low=ratios[0],
            high=ratios[-1],
            reached=ratios[0] <= 1.3,
            detail=f"{min(run.wall for run in runs):.2f} s ÷ {floor:.2f} s, {requests / ACCOUNTS:g} requests each "
            f"(CPU {cpu:.2f} s)",
        ),
        memory(runs, most=MOST_MIB),
    ]


def _declare_all(folder: Path, exchange: Served) -> None:
    for number in range(1, len(exchange.accounts) + 1):
        margins = ["1100" if index % 2 else "1000" for index in range(POSITIONS)]
        declare(folder / f"fleet-{number}.toml", exchange, account=number, margins=margins)


if __name__ == "__main__":
    print(table(rows()))
