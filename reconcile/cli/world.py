"""The real world for one invocation: clock, journal store, HTTP with its threads, credentials, sandbox servers.

Everything a use case may touch is made here and closed here. HTTP honours what people expect of ``requests``
(``connect/network.py``) and nothing else: no netrc, no cookies. Loopback never goes through a proxy.
"""

import getpass
import os
import random
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter
from requests.utils import get_environ_proxies

from reconcile import __version__
from reconcile.cli.errors import redacted, trace
from reconcile.cli.files import private
from reconcile.cli.machine import machine_of
from reconcile.cli.request_log import LoggedWire
from reconcile.cli.session import Invocation
from reconcile.clock import Clock
from reconcile.concurrency import Stop
from reconcile.connect import endpoints, network, secrets
from reconcile.connect.secrets import Credentials
from reconcile.errors import InputError
from reconcile.exchanges import registry
from reconcile.exchanges.base import Writer
from reconcile.exchanges.catalogue import TRAITS
from reconcile.exchanges.http import bans
from reconcile.exchanges.http.bans import BanFile
from reconcile.exchanges.http.limits import Limits
from reconcile.exchanges.http.wire import RequestsWire, Wire, http_adapter
from reconcile.journal.base import Store
from reconcile.journal.file.disk import SystemDisk
from reconcile.journal.file.store import FileStore
from reconcile.journal.identity import former_identities, identity
from reconcile.model.account import ColdStart, DesiredAccount
from reconcile.model.spans import Spans, no_spans
from reconcile.model.traits import Traits
from reconcile.usecases.world import Connection, World

ACTOR_VARIABLES = ("RECONCILE_ACTOR", "GITHUB_ACTOR", "GITLAB_USER_LOGIN", "CI_COMMIT_AUTHOR", "BUILD_USER")
"""The variables that name the responsible person, the first that is set; CI systems set theirs."""

_URGENT = 4
"""Threads for reads beyond the parallelism, so that looks need not wait for those that hang."""


def home_of(session: Invocation, env: Mapping[str, str]) -> Path:
    """``--home`` (or its variable), else ``reconcile`` in the user's state folder; raises InputError."""
    if session.home:
        return Path(session.home).expanduser().absolute()
    state = env.get("XDG_STATE_HOME", "")
    if state and Path(state).is_absolute():
        return Path(state) / "reconcile"
    try:
        return Path.home() / ".local" / "state" / "reconcile"
    except RuntimeError as error:
        raise InputError("finding the home: this user has no home folder; name one with --home") from error


def actor_of(env: Mapping[str, str]) -> str:
    """The responsible person: as the environment says, else user@host."""
    for name in ACTOR_VARIABLES:
        if env.get(name, "").strip():
            return env[name].strip()
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # no such user here, as in a bare container
        user = f"uid{os.getuid()}"
    return f"{user}@{socket.gethostname()}"


def store_of(session: Invocation, home: Path, clock: Clock) -> Store:
    """The place of journals and locks: the home, or what ``--journal`` names; raises InputError."""
    if not session.journal:
        return FileStore(home, SystemDisk(), clock)
    if not session.journal.startswith(("postgresql://", "postgres://")):
        raise InputError(
            "opening the journal: its URL is not of a kind known here; write postgresql://..., or leave it out"
        )
    try:
        from reconcile.journal.postgres.store import PostgresStore  # noqa: PLC0415 - only a shared journal needs psycopg
        from reconcile.journal.postgres.url import place_of  # noqa: PLC0415 - as above
    except ImportError as error:
        raise InputError(
            f"opening the journal: psycopg is missing ({error}); install the extra [postgres]: "
            "pip install '.[postgres]' in reconcile's checkout"
        ) from error
    place = place_of(session.journal)
    session.secrets.update(place.secrets)
    return PostgresStore(place, clock)


class WorldContext:
    """A context manager that makes one ``World`` and closes what it opened."""

    def __init__(self, session: Invocation, clock: Clock, *, parallelism: int) -> None:
        self._session = session
        self._clock = clock
        self._parallelism = parallelism
        self._env = os.environ
        self._home = home_of(session, self._env)
        self._store = store_of(session, self._home, clock)
        self._dice = random.SystemRandom()
        self._limits = Limits(clock, tell=self._warn, bans=self._bans())
        self._opened = ExitStack()
        self._wire: RequestsWire | None = None
        self._sandboxes: dict[str, tuple[str, Credentials]] = {}
        self._warned: set[str] = set()

    def world(self, *, progress: Callable[[str], None], stop: Stop, lock_timeout_ms: int, sends: bool) -> World:
        """The world; ``sends`` says that runs may change something, which tracing is told. Raises InputError."""
        return World(
            env=self._env,
            home=self._home,
            clock=self._clock,
            store=self._store,
            dice=self._dice,
            connect=self.connect,
            progress=progress,
            warn=self._warn,
            trace=lambda error: trace(error, self._session),
            stop=stop,
            host=socket.gethostname(),
            pid=os.getpid(),
            machine=machine_of(socket.gethostname()),
            actor=actor_of(self._env),
            version=__version__,
            parallelism=self._parallelism,
            lock_timeout_ms=lock_timeout_ms,
            spans=self._spans() if sends else no_spans,
        )

    def connect(self, account: DesiredAccount, read_only: bool) -> Connection[Writer]:  # noqa: FBT001 - the world's signature
        """A way to one account: endpoint, credentials, adapter. Sends nothing yet; raises InputError."""
        endpoint = endpoints.resolve(account, self._env, has_demo_keys=lambda: _has_demo_keys(account, self._env))
        url, credentials = endpoint.url, secrets.load(account, self._env, self._warn_once)
        if url is None:
            url, credentials = self._sandbox(account)
        self._session.secrets.update(filter(None, (credentials.key, credentials.secret, credentials.passphrase)))
        writer = registry.connect(
            account.exchange,
            wire=self._logged(self._http()),
            credentials=credentials,
            clock=self._clock,
            url=url,
            demo=endpoint.demo,
            product=account.product,
            limits=self._limits,
            dice=self._dice,
            traits=_traits(account),
            read_only=read_only,
        )

        known = partial(identity, exchange=account.exchange, endpoint_kind=endpoint.kind, product=account.product)
        formerly = partial(
            former_identities, exchange=account.exchange, endpoint_kind=endpoint.kind, product=account.product
        )
        return Connection(
            adapter=writer,
            identify=lambda uid: known(uid=uid, api_key=credentials.key, account_name=account.name),
            former=lambda uid: formerly(uid=uid, api_key=credentials.key),
            cold_fence=account.cold_start is ColdStart.WAIT,
            route=partial(network.route, self._env, url),
        )

    def _warn(self, line: str) -> None:
        self._session.warn(redacted(line, self._session))

    def _warn_once(self, line: str) -> None:
        """Of a secret's file: read again for each cycle of a watch."""
        if line not in self._warned:
            self._warned.add(line)
            self._warn(line)

    def _spans(self) -> Spans:
        """Tracing where the environment asks for it; at the end of the invocation, what is left is exported."""
        if not any(name.startswith("OTEL_EXPORTER_OTLP_") for name in self._env):
            return no_spans
        from reconcile.cli.tracing import tracing  # noqa: PLC0415 - only tracing pays for it

        found = tracing(self._env, self._warn)
        if found is None:
            return no_spans
        self._opened.callback(found.close)
        return found

    def _bans(self) -> BanFile:
        """The waits that exchanges named to earlier processes: kept in the home, also beside a shared journal."""
        return BanFile(
            self._home / bans.NAME,
            self._clock,
            make_home=lambda: private(self._home),
            route=lambda host: str(sorted(_proxies(f"https://{host}").items())),
            tell=self._warn,
        )

    def _http(self) -> RequestsWire:
        """The one wire of this invocation: connections are shared and kept."""
        if self._wire is None:
            count = self._parallelism + _URGENT
            threads = ThreadPoolExecutor(count, thread_name_prefix="http")
            writers = ThreadPoolExecutor(self._parallelism, thread_name_prefix="http-write")
            for pool in (threads, writers):
                self._opened.callback(pool.shutdown, wait=False, cancel_futures=True)
            self._wire = RequestsWire(
                _ProxyAdapter(http_adapter(count + self._parallelism)),
                threads=threads,
                writers=writers,
                verify=network.certificates(self._env),
                explain=partial(network.explain, self._env),
            )
        return self._wire

    def _logged(self, wire: Wire) -> Wire:
        """The wire, telling each request where ``-v`` asks for that."""
        return LoggedWire(wire, self._session.log, self._clock) if self._session.verbose else wire

    def _sandbox(self, account: DesiredAccount) -> tuple[str, Credentials]:
        """The account's own server inside this process, begun when first asked for."""
        if account.name not in self._sandboxes:
            from reconcile.sandbox.server import SandboxServer  # noqa: PLC0415 - only sandbox accounts pay for it
            from reconcile.sandbox.store import SandboxStore, StoredDialect  # noqa: PLC0415 - as above
            from reconcile.sandbox.venue import Venue  # noqa: PLC0415 - as above

            dialect = StoredDialect(SandboxStore(private(self._home)), account.name, account.exchange)
            server = self._opened.enter_context(SandboxServer(Venue(dialect=dialect)))
            keys = dialect.credentials
            self._sandboxes[account.name] = (
                server.url,
                Credentials(key=keys.key, secret=keys.secret, passphrase=keys.passphrase),
            )
        return self._sandboxes[account.name]

    def __enter__(self) -> Self:
        """Nothing is opened before it is needed."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close what was opened, the last first."""
        self._opened.close()


def _has_demo_keys(account: DesiredAccount, env: Mapping[str, str]) -> bool:
    """Whether an account's secrets are the simulated exchange's own; raises InputError where they are missing."""
    from reconcile.sandbox.keys import are_demo_keys  # noqa: PLC0415 - only loopback URLs pay for it

    found = secrets.load(account, env)
    return are_demo_keys(found.key, found.secret, found.passphrase)


def _traits(account: DesiredAccount) -> Traits:
    """The exchange's nature, with what the state file says otherwise."""
    traits = TRAITS[account.exchange]
    if account.amount_step is not None:
        traits = replace(traits, stable_step=account.amount_step, coin_step=account.amount_step)
    return traits if account.grace_ms is None else replace(traits, grace_ms=account.grace_ms)


def _proxies(place: str) -> Mapping[str, str]:
    """The proxies that the environment names for a URL; loopback goes through none."""
    return {} if endpoints.is_loopback(urlsplit(place).hostname or "") else get_environ_proxies(place)


class _ProxyAdapter(BaseAdapter):
    """Another adapter, told which proxy the environment names for each host; asked once for each host."""

    def __init__(self, inner: BaseAdapter) -> None:
        super().__init__()
        self._inner = inner
        self._proxies: dict[str, Mapping[str, str]] = {}

    def send(self, request: requests.PreparedRequest, *args: Any, **settings: Any) -> requests.Response:
        """One request, once."""
        parts = urlsplit(request.url or "")
        place = f"{parts.scheme}://{parts.netloc}"
        if place not in self._proxies:
            self._proxies[place] = _proxies(place)
        return self._inner.send(request, *args, **{**settings, "proxies": self._proxies[place]})

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()
