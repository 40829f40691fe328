"""Options and messages that the commands of ``reconcile audit`` share: journals, periods, broken chains."""

import os
import re
from typing import Any, Self

import click

from reconcile.cli.common import DurationType
from reconcile.cli.session import Invocation
from reconcile.cli.world import home_of, store_of
from reconcile.clock import SystemClock
from reconcile.errors import InputError, JournalError, UsageError
from reconcile.journal.base import Store
from reconcile.model.times import unix_ms
from reconcile.render.common.values import rfc3339

FORMATS = ("text", "json", "markdown")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


class MomentType(DurationType):
    """``2026-01-31``, ``2026-01-31T12:00:00Z``, or a length of time ago."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Unix milliseconds."""
        text = str(value)
        if isinstance(value, int):
            return value
        if re.fullmatch(r"[0-9]{1,9}[smhd]", text):
            return SystemClock().wall_ms() - super().convert(value, param, ctx)
        try:
            return unix_ms(f"{text}T00:00:00Z" if _DAY.fullmatch(text) else text)
        except ValueError:
            self.fail(
                f"{text!r} is not a time; write 2026-01-31, 2026-01-31T12:00:00Z, or 7d for a week ago", param, ctx
            )


MOMENT = MomentType()
account_option = click.option("--account", metavar="ACCOUNT", help="Only this account.")
address_option = click.option("--address", metavar="GLOB", help="Only these addresses: SYMBOL.side with *.")
actor_option = click.option("--actor", metavar="GLOB", help="Only runs of this actor; * is any text.")
since_option = click.option("--since", type=MOMENT, help="From then on; a date, a time, or 7d for a week ago.")
until_option = click.option("--until", type=MOMENT, help="Before then.")


def journals(session: Invocation) -> Store:
    """The store of the journals; raises InputError if it has none: an empty home proves nothing."""
    store = any_store(session)
    if not store.identities():
        place = "the database of --journal" if session.journal else home_of(session, os.environ)
        raise InputError(
            f"reading the journals: there is none in {place}; name the home or the database that has them "
            "(--home, --journal)"
        )
    return store


def any_store(session: Invocation) -> Store:
    """As ``journals``, also where it is empty."""
    return store_of(session, home_of(session, os.environ), SystemClock())


def check_period(since: int | None, until: int | None) -> None:
    """Raise UsageError for a period that no run can be in."""
    if since is not None and until is not None and since >= until:
        raise UsageError(f"--since {rfc3339(since)}: not before --until {rfc3339(until)}, so nothing can match")
    if since is not None and since > SystemClock().wall_ms():
        raise UsageError(f"--since {rfc3339(since)}: in the future, so nothing can match")


class Breaks:
    """Says which journals are broken once everything was read, also where reading ended in an error."""

    def __init__(self, session: Invocation) -> None:
        self.code = 0
        self._session = session
        self._found: list[JournalError] = []

    def add(self, error: JournalError) -> None:
        """One more journal."""
        self.code = 1
        self._found.append(error)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for error in self._found:
            self._session.warn(f"{error}; the records before that are shown")
