"""Journals: the bytes of one as they are, and records with other content in a chain that holds.

An input of the second kind is the records alone, one JSON object a line; ``read_sealed`` chains and seals them. Every
reader there is goes over the result: the fold, the verdict, the log, the runs, the report.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from random import Random
from typing import Any
from zlib import crc32

from reconcile.audit.comparing import compare
from reconcile.audit.reporting import make_report
from reconcile.audit.run_log import Filter, ignoring, log, selected
from reconcile.audit.verifying import verify
from reconcile.errors import ReconcileError
from reconcile.journal.chain import JournalEntry, entries, line_hash
from reconcile.journal.codec import GENESIS, seal
from reconcile.journal.file.store import FileStore
from reconcile.journal.folding import fold
from reconcile.journal.records import IntentStatus
from reconcile.journal.state import JournalState
from reconcile.render.audit.chain import chain_text
from reconcile.render.audit.diff import diff_document, diff_text
from reconcile.render.audit.log import log_csv, log_document, log_text
from reconcile.render.audit.run import run_document, run_markdown, run_text
from reconcile.render.common.json import dumps
from reconcile.render.report.html import page
from reconcile.usecases.status import account_of
from tests.fuzz import strategies
from tests.fuzz.harness import Target, compact
from tests.fuzz.mutators import Tree, damaged
from tests.kit.audit_month import ACCOUNT, LONG, SHORT, Calendar, Desk
from tests.kit.journals import inline
from tests.simulation.disk import SimulatedDisk

_REPORTED = 16
"""One in so many inputs goes through the report, which costs more than all the rest."""


class Lines:
    """A store of one journal in memory, for reading."""

    def __init__(self, lines: list[bytes]) -> None:
        self._lines = lines

    def read(self, identity: str, *, pinned: str | None = None, whole: bool = False) -> JournalState:
        """See ``base.Store.read``."""
        return fold(self._lines, identity=identity, name=identity, pinned=pinned, prove=whole).state

    def lines(self, identity: str) -> Iterator[JournalEntry]:
        """See ``base.Store.lines``."""
        return entries(self._lines, name=identity)

    def identities(self) -> list[str]:
        """One."""
        return [ACCOUNT]

    def __getattr__(self, name: str) -> Any:
        raise NotImplementedError(name)


def read(data: bytes) -> Iterable[str]:
    """Everything that reads a journal, on these bytes; what each of them says."""
    store = Lines(data.splitlines(keepends=True))
    texts: list[str] = []
    attempts: list[Callable[[], Iterable[str]]] = [
        lambda: _state(store),
        lambda: _shown(store),
        lambda: [chain_text(verify(store, {}))],
    ]
    if crc32(data) % _REPORTED == 0:
        attempts += [lambda: _compared(store), lambda: [page(make_report(store, Filter(), now_ms=1_800_000_000_000))]]
    for each in attempts:
        try:
            texts += each()
        except ReconcileError as error:
            texts.append(str(error))
    return texts


def read_sealed(data: bytes) -> Iterable[str]:
    """The same with the chain made to hold."""
    lines: list[bytes] = []
    head = GENESIS
    for body in data.splitlines():
        body = body[1:] if body.startswith(b"{") else body  # noqa: PLW2901 - what follows the keys of the chain
        line = seal(b'{"seq":%d,"prev":"%s",%s' % (len(lines) + 1, head.encode(), body))
        head = line_hash(line)
        lines.append(line)
    return read(b"".join(lines))


def _state(store: Lines) -> Iterable[str]:
    state = store.read(ACCOUNT)
    if state.last_run is not None and state.last_run.details.position_mode is not None:
        account_of(state.last_run.details)
    return [repr(state.unsettled), repr(state.effects)]


def _shown(store: Lines) -> Iterable[str]:
    found = list(selected(store, Filter(), on_break=ignoring))
    rows = log(store, Filter(), on_break=ignoring)
    yield dumps(log_document(rows)) + log_csv(rows)
    yield log_text(rows)
    yield dumps(run_document(found))
    yield run_text(found)
    yield run_markdown(found)


def _compared(store: Lines) -> Iterable[str]:
    found = list(selected(store, Filter(), on_break=ignoring))
    if found:
        compared = compare(store, found[0].run_id, found[-1].run_id, on_break=ignoring)
        yield dumps(diff_document(compared)) + diff_text(compared)


@cache
def _journals() -> tuple[bytes, ...]:
    """Short journals that between them have records of every kind."""
    scripts: tuple[Callable[[Desk], object], ...] = (
        lambda desk: desk.apply((LONG, "300")),
        lambda desk: (
            desk.apply((LONG, "300"), known=(IntentStatus.UNKNOWN,)),
            desk.resolve(f"run0001-{LONG}", applied=True),
        ),
        lambda desk: (
            desk.apply((SHORT, "-1"), known=(), finish=False),
            desk.settle(f"run0001-{SHORT}", IntentStatus.APPLIED, "899.5"),
        ),
        lambda desk: (desk.refuse("frozen", "starting desk: frozen"), desk.apply()),
    )
    return tuple(_journal(script) for script in scripts)


def _journal(script: Callable[[Desk], object]) -> bytes:
    disk, clock = SimulatedDisk(0), Calendar()
    script(Desk(store=FileStore(Path("/h"), disk.process("desk"), clock, inline), clock=clock))
    return disk.content(Path("/h/journal") / f"{ACCOUNT}.jsonl")


@cache
def _trees() -> tuple[Tree, ...]:
    """The records of each journal, without what chains them."""
    trees = []
    for journal in _journals():
        records = [json.loads(line) for line in journal.splitlines()]
        trees.append(Tree([{key: item for key, item in each.items() if key not in _CHAIN} for each in records]))
    return tuple(trees)


_CHAIN = {"seq", "prev", "crc"}


def _bodies(value: Any) -> bytes:
    return b"\n".join(compact(each) for each in value) if isinstance(value, list) else compact(value)


def _damaged(random: Random) -> bytes:
    return damaged(random, random.choice(_journals()))


def _edited(random: Random) -> bytes:
    bodies = _bodies(random.choice(_trees()).edited(random))
    return damaged(random, bodies) if random.random() < 0.1 else bodies


RAW = Target(
    name="journals",
    about="journals, damaged",
    run=read,
    generate=_damaged,
    strategy=lambda: strategies.damaged(_journals()),
)
SEALED = Target(
    name="journals-sealed",
    about="records with other content in a chain that holds",
    run=read_sealed,
    generate=_edited,
    strategy=lambda: strategies.edited_values(_trees()).map(_bodies),
)
