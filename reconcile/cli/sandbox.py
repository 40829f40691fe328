"""``reconcile sandbox``: serve, show, forget and change the simulated accounts of this home."""

import asyncio
import json
import os
import signal
import socket
from pathlib import Path
from typing import Any

import click

from reconcile.cli import sandbox_view
from reconcile.cli.common import Section, WholeType, pass_session
from reconcile.cli.files import private
from reconcile.cli.sandbox_changes import change, change_options, named
from reconcile.cli.session import Invocation
from reconcile.cli.world import actor_of, home_of, store_of
from reconcile.clock import SystemClock
from reconcile.errors import InputError, UsageError
from reconcile.exchanges.catalogue import TRAITS
from reconcile.journal.identity import identity, notes_of
from reconcile.sandbox.faults import FaultPlan, Faults, NoFaults
from reconcile.sandbox.registry import SIMULATED, simulated
from reconcile.sandbox.server import SandboxServer
from reconcile.sandbox.store import SandboxStore, StoredDialect
from reconcile.sandbox.values import Denied
from reconcile.sandbox.venue import Venue

DEFAULT = "demo"

_account = click.argument("account", metavar="[ACCOUNT]", default=DEFAULT)
_exchange = click.option(
    "--exchange", type=click.Choice(list(SIMULATED)), help="The exchange of a new account; default: binance."
)


@click.group("sandbox", cls=Section)
def sandbox() -> None:
    """Run and change the simulated exchange.

    The accounts are kept in the home; a state file with endpoint = "sandbox" uses the one of its name. A new account
    begins as the demo account.
    """


def _store(session: Invocation) -> SandboxStore:
    return SandboxStore(private(home_of(session, os.environ)))


@sandbox.command("serve")
@_account
@_exchange
@click.option("--port", metavar="P", type=WholeType(0, 65_535), default=0, help="0 (default) picks one.")
@click.option("--latency", metavar="MS", type=WholeType(0, 60_000), default=0, help="Round trip; default 0.")
@click.option("--faults", metavar="FILE", help="What goes wrong, as TOML or JSON.")
@click.option("--seed", metavar="N", type=WholeType(), help="Of the faults' dice; default: what the file says.")
@pass_session
def serve(
    session: Invocation,
    *,
    account: str,
    exchange: str | None,
    port: int,
    latency: int,
    faults: str | None,
    seed: int | None,
) -> int:
    """Serve an account on this machine until Ctrl-C.

    Prints the URL and the demo keys, with --format json as one line. They are worth nothing anywhere else. In a state
    file the URL is the endpoint, and the keys are what the environment must hold. With cold_start = "trust" there, the
    first apply does not wait for requests of an earlier one.

    \b
    Exit codes: 0 stopped, 1 error.
    Example:    reconcile sandbox serve --exchange okx --port 8080 --latency 20
    """
    store = _store(session)
    name = exchange or _exchange_of(store, account)
    trouble: Faults = NoFaults()
    if faults is not None:
        trouble = FaultPlan.load(Path(faults), replies=simulated(name).replies, seed=seed)
    dialect = StoredDialect(store, account, name)
    keys = dialect.credentials
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    with SandboxServer(Venue(dialect=dialect, faults=trouble, latency_ms=latency), port=port) as server:
        facts = {"url": server.url, "api_key": keys.key, "api_secret": keys.secret, "passphrase": keys.passphrase}
        prefix = account.upper().replace("-", "_")
        session.emit(
            {
                "text": lambda: (
                    f"serving the {name} account {account} at {server.url} until Ctrl-C\n"
                    f"  {prefix}_API_KEY={keys.key}\n  {prefix}_API_SECRET={keys.secret}\n"
                    + (f"  {prefix}_PASSPHRASE={keys.passphrase}\n" if TRAITS[name].needs_passphrase else "")
                ),
                "json": lambda: json.dumps(facts) + "\n",
            }
        )
        try:
            while not server.wait(60):
                pass
        except KeyboardInterrupt:
            session.warn("the sandbox has stopped")
    return 0


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _exchange_of(store: SandboxStore, account: str) -> str:
    """The exchange of an account, Binance for a new one."""
    with store.locked(account) as kept:
        return kept.exchange


@sandbox.command("show")
@_account
@_exchange
@pass_session
def show(session: Invocation, *, account: str, exchange: str | None) -> int:
    """Show an account's books: balances, positions, symbols.

    \b
    Exit codes: 0 shown, 1 error.
    Example:    reconcile sandbox show demo
    """
    with _store(session).locked(account, exchange) as kept:
        shown = sandbox_view.document(kept)
    return session.emit({"text": lambda: sandbox_view.text(shown), "json": lambda: json.dumps(shown, indent=1) + "\n"})


@sandbox.command("reset")
@_account
@pass_session
def reset(session: Invocation, *, account: str) -> int:
    """Forget an account, so that it begins anew as the demo account.

    Its journal is closed and kept beside the others: what it says is about an account that is no more.

    \b
    Exit codes: 0 done, 1 error, 4 a run holds the account.
    Example:    reconcile sandbox reset demo
    """
    home = home_of(session, os.environ)
    kept_as = asyncio.run(_retire(session, home, account))
    there = SandboxStore(home).reset(account)
    words = f"{account} is forgotten" if there else f"there was no {account}"
    said = "".join(f"; its journal is kept as {name}" for name in kept_as)
    facts = {"account": account, "reset": there, "journals": kept_as}
    return session.emit({"text": lambda: f"{words}{said}\n", "json": lambda: json.dumps(facts) + "\n"})


async def _retire(session: Invocation, home: Path, account: str) -> list[str]:
    """Close the account's journals, of whichever exchange and product it was."""
    journals = store_of(session, home, SystemClock())
    holder = {
        "host": socket.gethostname(),
        "pid": str(os.getpid()),
        "actor": actor_of(os.environ),
        "command": "sandbox reset",
    }
    there = set(journals.identities())
    kept: list[str] = []
    for traits in TRAITS.values():
        for product in traits.products or (None,):
            name = identity(exchange=traits.name, endpoint_kind="sandbox", product=product, account_name=account)
            for each in (each for each in (name, notes_of(name)) if each in there):
                kept_as = await journals.retire(each, holder=holder)
                kept += [kept_as] if kept_as is not None else []
    return sorted(kept)


@sandbox.command("set")
@_account
@_exchange
@change_options
@pass_session
def set_(session: Invocation, /, *, account: str, exchange: str | None, **changes: Any) -> int:
    """Change an account as a person or the market would.

    All changes are made at one moment, in the order in which the options stand in this help, or none is. ADDRESS is
    SYMBOL.side. Moving margin here is what a person does in the exchange's own app: the next plan shows it.

    \b
    Exit codes: 0 changed,
                1 refused by the account's rules; then nothing was changed.
    Examples:   reconcile sandbox set --margin BTCUSDT.long=-100
                reconcile sandbox set demo --mark BTCUSDT=60800 --orders SOLUSDT=1
    """
    wanted = named(changes)
    if not wanted:
        raise UsageError("sandbox set: no change was named; see --help for what can be changed")
    done: list[str] = []
    try:
        with _store(session).locked(account, exchange) as kept:
            change(kept, wanted, now_ms=SystemClock().wall_ms(), done=done)
            shown = sandbox_view.document(kept)
    except Denied as error:
        why = f"the exchange's rules say no ({error})"
        raise InputError(f"changing the sandbox account {account}: {why}; nothing was changed") from error
    return session.emit(
        {
            "text": lambda: "".join(f"{line}\n" for line in done),
            "json": lambda: json.dumps(shown, indent=1) + "\n",
        }
    )
