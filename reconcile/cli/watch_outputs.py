"""Outputs of a watch besides stdout: a metrics file, a heartbeat, a server for Prometheus, and notifications."""

import os
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from reconcile.cli.errors import redacted
from reconcile.cli.session import Invocation
from reconcile.cli.world import actor_of
from reconcile.clock import SystemClock
from reconcile.files.documents import write
from reconcile.render.common.values import rfc3339
from reconcile.render.metrics.exposition import exposition
from reconcile.render.metrics.snapshot import Snapshot
from reconcile.usecases.watch.news import News

if TYPE_CHECKING:
    from reconcile.cli.metrics_server import MetricsServer
    from reconcile.cli.notify import Notifications


class Outputs:
    """Open while it is entered; None for what was not asked for. Raises InputError and UsageError when it is made."""

    def __init__(
        self,
        session: Invocation,
        *,
        metrics: str | None,
        heartbeat: str | None,
        listen: str | None,
        notify: str | None,
        interval_ms: int,
    ) -> None:
        session.check_files(metrics, heartbeat)
        self._session = session
        self._metrics = metrics
        self._heartbeat = heartbeat
        self._notifications = None if notify is None else self._notify(notify)
        self._server = None if listen is None else _server(listen, interval_ms)
        self._opened = ExitStack()

    def publish(self, snapshot: Snapshot) -> None:
        """The state after a round."""
        if self._server is not None:
            self._server.publish(snapshot)
        if self._metrics is not None:
            write(self._metrics, exposition(snapshot))
        if self._heartbeat is not None:
            write(self._heartbeat, f"{rfc3339(snapshot.at_ms)}\n")

    def tell(self, news: News) -> None:
        """One piece of news."""
        if self._notifications is not None:
            self._notifications.tell(news)

    def _notify(self, target: str) -> "Notifications":
        from reconcile.cli.notify import SECRET_VARIABLE, Notifications, deliverer  # noqa: PLC0415 - only --notify pays for it

        deliver = deliverer(target, os.environ)
        self._session.secrets.update(filter(None, (os.environ.get(SECRET_VARIABLE, "").strip(),)))
        return Notifications(
            deliver,
            lambda line: self._session.warn(redacted(line, self._session)),
            host=socket.gethostname(),
            actor=actor_of(os.environ),
        )

    def __enter__(self) -> Self:
        for each in (self._server, self._notifications):
            if each is not None:
                self._opened.enter_context(each)
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()


def _server(listen: str, interval_ms: int) -> "MetricsServer":
    from reconcile.cli.metrics_server import MetricsServer, address_of  # noqa: PLC0415 - only --listen pays for it

    return MetricsServer(address_of(listen), SystemClock(), interval_ms=interval_ms)
