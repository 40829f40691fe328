"""``--if-locked`` and ``--lock-timeout``: what a command does about an account that another run holds."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from reconcile.cli.common import WholeType

_F = TypeVar("_F", bound=Callable[..., Any])


def lock_options(*, if_locked: str, skipping: str, waits_for: str = "the lock") -> Callable[[_F], _F]:
    """Both options. ``if_locked`` is the default, ``skipping`` what becomes of an account that is skipped.
    ``waits_for`` is what the command waits for.

    The defaults differ on purpose: a single run waits, since none comes after it; a watch skips, and comes back.
    """
    wait = click.option(
        "--if-locked",
        type=click.Choice(["wait", "skip"]),
        default=if_locked,
        show_default=True,
        help=f"Whether to wait for an account that another run holds; with skip, {skipping}.",
    )
    timeout = click.option(
        "--lock-timeout",
        metavar="SECONDS",
        type=WholeType(0, 86_400),
        default=60,
        show_default=True,
        help=f"How long to wait for {waits_for} with --if-locked wait; no other account waits meanwhile.",
    )

    def decorate(function: _F) -> _F:
        return wait(timeout(function))

    return decorate


def lock_timeout_ms(if_locked: str, lock_timeout: int) -> int:
    """The longest wait for a lock, from both options."""
    return 0 if if_locked == "skip" else lock_timeout * 1000
