"""What a journal of a million records costs to write, open, verify and read, in files and in PostgreSQL.

    python -m benchmarks journal                        # the rows of benchmarks/RESULTS.md, in files
    python -m benchmarks.journal [RECORDS] [--postgres]   # the table of benchmarks/journal.md
    python -m benchmarks.journal [RECORDS] --rows         # the rows, of a journal of another length

Each figure is of a process of its own: records a second, and the most memory it held (which must not grow with the
journal). The journal is one account's: runs of ten steps over twenty addresses, as applies write it, flushed as applies
flush it (every intent before it would be sent, here ten at a time). The journal of the rows is written without flushes.

An open reads from the last checkpoint but one. Its rivals are ``verify``, which folds every record, and an open of a
journal of a hundredth of the length.
"""

import asyncio
import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from decimal import Decimal
from itertools import chain, count
from pathlib import Path

from benchmarks.running import Row, Run, memory, python, ratio, table
from reconcile.audit.run_log import Filter, log
from reconcile.audit.verifying import verify
from reconcile.clock import SystemClock
from reconcile.journal.base import Store
from reconcile.journal.file.disk import SystemDisk
from reconcile.journal.file.store import FileStore
from reconcile.journal.records import (
    Intent,
    IntentStatus,
    NoteRecord,
    Outcome,
    PlanUsed,
    Record,
    RunFinished,
    RunStarted,
)
from reconcile.journal.run_end import RunEnd
from reconcile.model.account import Address, Side
from reconcile.model.notes import PlanNote
from reconcile.model.reports import Margin
from reconcile.model.run_start import RunStart

ACCOUNT = "binance-live-bench"
MILLION = 1_000_000
TURNS = 5
MOST_MIB = 150
STEPS = 10
ADDRESSES = [Address(f"SYM{number}USDT", Side.LONG) for number in range(20)]
_START = RunStart(
    account="bench",
    actor="pipeline",
    state_sha256="ab" * 32,
    git_commit="cd" * 20,
    policy={"max_total_add": "20000", "min_available": "500", "min_liquidation_distance": "5%"},
)


def one_run(number: int) -> Iterator[list[Record]]:
    """The records of one run, in the batches that are flushed together."""
    planned = PlanNote(plan_id="p")
    yield [RunStarted(host="runner", command="apply", details=_START), NoteRecord(what=planned.what, details=planned)]
    yield [PlanUsed(plan_id=f"{number:016x}", digest="sha256:" + "ef" * 32)]
    now_ms = 1_790_000_000_000 + number * 60_000
    addresses = [ADDRESSES[(number * STEPS + each) % len(ADDRESSES)] for each in range(STEPS)]
    intents: list[Record] = [_intent(number, address, now_ms) for address in addresses]
    yield intents
    yield [_outcome(number, address, IntentStatus.ACCEPTED, now_ms) for address in addresses]
    yield [_outcome(number, address, IntentStatus.APPLIED, now_ms) for address in addresses]
    live = {str(address): Margin(isolated_margin=Decimal(1500), asset="USDT") for address in ADDRESSES}
    yield [RunFinished(details=RunEnd(exit_code=0, live=live, live_at_ms=now_ms))]


def _intent(number: int, address: Address, now_ms: int) -> Intent:
    return Intent(
        intent_id=f"{number}-{address}",
        step_id=f"s{number}",
        lane=str(address),
        address=address,
        action="add_margin",
        asset="USDT",
        amount=Decimal("12.5"),
        before="1487.5",
        wanted="1500",
        size=Decimal("0.25"),
        identity=None,
        cursor=None,
        signed_at_ms=now_ms,
        fence_ms=now_ms + 8_000,
    )


def _outcome(number: int, address: Address, known: IntentStatus, now_ms: int) -> Outcome:
    after, evidence = ("1500", "1487.5 → 1500 seen") if known is IntentStatus.APPLIED else (None, "")
    return Outcome(
        intent_id=f"{number}-{address}",
        known=known,
        effect_ms=now_ms + 90,
        after=after,
        evidence=evidence,
        code="200",
        claim=None if after is None else f"{7_000_000_000 + number * 20 + ADDRESSES.index(address)}",
    )


async def write(store: Store, records: int) -> int:
    """Append that many records (to the next whole run); how many."""
    written, number = 0, 0
    async with store.open(ACCOUNT, run_id="bench", holder={}, timeout_ms=0) as journal:
        while written < records:
            for batch in one_run(number):
                await asyncio.gather(*(journal.append(record, durable=isinstance(record, Intent)) for record in batch))
                written += len(batch)
            number += 1
    return written


async def make(store: Store, records: int) -> None:
    """Write that many records (to the next whole run) without flushes, checkpoints included."""
    async with store.open(ACCOUNT, run_id="bench", holder={}, timeout_ms=0) as journal:
        for number in count():
            if journal.state.records >= records:
                return
            for record in chain.from_iterable(one_run(number)):
                await journal.append(record, durable=False)


async def append_once(store: Store) -> int:
    """Open the journal, as every apply does, and append one durable record."""
    async with store.open(ACCOUNT, run_id="one", holder={}, timeout_ms=0) as journal:
        await journal.append(NoteRecord(what="one"), durable=True)
        return int(journal.state.records)


def measured(what: str, place: str, records: int) -> None:
    """One figure, in this process: its work, records a second, and the most memory held."""
    store = _store(place)
    began, busy = time.perf_counter(), time.process_time()
    done = {
        "write": lambda: asyncio.run(write(store, records)),
        "open and append": lambda: asyncio.run(append_once(store)),
        "verify": lambda: sum(verdict.records if verdict.is_good else 0 for verdict in verify(store, {})),
        "log of one address": lambda: _logged(store, records),
    }[what]()
    seconds, cpu = time.perf_counter() - began, time.process_time() - busy
    mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"work": what, "records": done, "seconds": seconds, "cpu": cpu, "mib": mib}))


def _logged(store: Store, records: int) -> int:
    log(store, Filter(address=str(ADDRESSES[0]), outcomes=frozenset({"unknown"})))
    return records


def _store(place: str) -> Store:
    if place.startswith("postgresql://"):
        from reconcile.journal.postgres.store import PostgresStore  # noqa: PLC0415 - only where it is measured
        from reconcile.journal.postgres.url import place_of  # noqa: PLC0415 - only where it is measured

        return PostgresStore(place_of(place), SystemClock())
    return FileStore(Path(place), SystemDisk(), SystemClock())


def rows(records: int = MILLION) -> list[Row]:
    """What an open costs beside a full proof, beside an open of a short journal, and in memory."""
    short_length = records // 100
    with tempfile.TemporaryDirectory() as folder:
        short, long = (str(Path(folder, name)) for name in ("short", "long"))
        for place, length in ((short, short_length), (long, records)):
            asyncio.run(make(_store(place), length))
        size = sum(file.stat().st_size for file in Path(long).rglob("*.jsonl"))
        opened, opened_short = ([_run("open and append", place) for _ in range(TURNS)] for place in (long, short))
        proven = _run("verify", long)
    work = f"open a journal of {records:,} records, {size / (1 << 20):,.0f} MiB"
    beside_proof = ratio(work, "proving every record (`audit verify`) ÷ ours", [proven] * TURNS, opened, least=20)
    return [
        replace(beside_proof, detail=beside_proof.detail.replace(f"{TURNS} turns", f"{TURNS} turns and one proof")),
        ratio("the same", f"÷ opening one of {short_length:,}", opened, opened_short, most=3),
        memory(opened, most=MOST_MIB),
    ]


def _run(what: str, place: str) -> Run:
    """One figure of a process of its own, without the time that its start took."""
    found = json.loads(python("-m", "benchmarks.journal", "--measure", what, place, "0").output)
    return Run(wall=found["seconds"], cpu=found["cpu"], mib=found["mib"])


def main() -> None:
    """Every figure, for files and where asked for PostgreSQL, with a journal of a hundredth beside it."""
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    records = int(words[0]) if words else MILLION
    if "--rows" in sys.argv:
        print(table(rows(records)))
        return
    print("| store | work | records | seconds | of them CPU | records/s | peak MiB |\n|-|-|-:|-:|-:|-:|-:|")
    with ExitStack() as opened:
        for length in (records // 100, records):
            places = {"files": opened.enter_context(tempfile.TemporaryDirectory())}
            if "--postgres" in sys.argv:
                from tests.kit.postgres_server import Server  # noqa: PLC0415 - only where it is measured

                places["PostgreSQL"] = opened.enter_context(Server()).url
            for name, place in places.items():
                for what in ("write", "open and append", "verify", "log of one address"):
                    found = json.loads(python("-m", "benchmarks.journal", "--measure", what, place, str(length)).output)
                    figures = [found["seconds"], found["cpu"]]
                    print(
                        f"| {name} | {what} | {found['records']:,} | {' | '.join(f'{each:.2f}' for each in figures)} "
                        f"| {found['records'] / found['seconds']:,.0f} | {found['mib']:.0f} |",
                        flush=True,
                    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measured(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        main()
